"""SecurityHeaders: what a browser must not do with the page, whatever a reply says."""

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A reply can hold Markdown of any kind. It must not make a reader's browser fetch anything from elsewhere,
# which would tell what was said, or send a form there; links are followed by hand. Gradio's own page needs
# inline scripts and styles.
_POLICY = (
    "default-src 'self'",
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "media-src 'self' data: blob:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "frame-src 'none'",
    "form-action 'self'",
    "base-uri 'self'",
)

# What browsers would let a page use, or ask its reader for.
_UNUSED = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
_PERMISSIONS = ", ".join(["microphone=(self)", "clipboard-write=(self)", *(f"{name}=()" for name in _UNUSED)])

_HTTPS_ALONE = "max-age=31536000"

# What no browser shows as a page: a first visit loads over a hundred of them, each with a kilobyte of what
# holds for pages.
_PARTS_OF_PAGES = ("text/javascript", "text/css", "font/")


class SecurityHeaders:
    """ASGI middleware that adds the headers to every response, to scripts and style sheets only those that
    hold for them. Sites among `frame_ancestors` may show the page in a frame."""

    def __init__(self, app: ASGIApp, *, frame_ancestors: Sequence[str] = ()) -> None:
        self._app = app
        self._of_pages = {
            "content-security-policy": "; ".join(
                (*_POLICY, " ".join(("frame-ancestors 'self'", *frame_ancestors)))
            ),
            "permissions-policy": _PERMISSIONS,
            "referrer-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-content-type-options"] = "nosniff"
                if not headers.get("content-type", "").startswith(_PARTS_OF_PAGES):
                    for name, value in self._of_pages.items():
                        headers.append(name, value)  # of two policies browsers keep to both
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = _HTTPS_ALONE
            await send(message)

        await self._app(scope, receive, send_with_headers)
