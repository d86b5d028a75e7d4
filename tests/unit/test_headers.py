"""What browsers are told they must not do with the page."""

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from chat_ui.headers import SecurityHeaders


async def answered(
    scheme: str = "http", *frame_ancestors: str, content_type: str = "text/html"
) -> httpx2.Headers:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"content-type", content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    transport = httpx2.ASGITransport(SecurityHeaders(app, frame_ancestors=frame_ancestors))
    async with httpx2.AsyncClient(transport=transport, base_url=f"{scheme}://test") as client:
        return (await client.get("/")).headers


@pytest.mark.parametrize(
    ("sites", "policy"),
    [
        ((), "frame-ancestors 'self'"),
        (
            ("https://a.example", "https://*.b.example"),
            "frame-ancestors 'self' https://a.example https://*.b.example",
        ),
    ],
    ids=["itself", "named sites"],
)
async def test_only_named_sites_show_the_page_in_a_frame(sites, policy):
    headers = await answered("http", *sites)
    assert policy in headers["content-security-policy"].split("; ")


@pytest.mark.parametrize(("scheme", "kept"), [("http", False), ("https", True)])
async def test_what_was_reached_by_https_is_reached_so_alone(scheme, kept):
    assert ("strict-transport-security" in await answered(scheme)) is kept


async def test_the_page_may_use_the_microphone_and_little_else():
    permissions = dict(part.split("=") for part in (await answered())["permissions-policy"].split(", "))
    allowed = {name for name, who in permissions.items() if who != "()"}
    assert allowed == {"microphone", "clipboard-write"}
    assert {"camera", "geolocation", "payment", "usb", "display-capture"} <= permissions.keys()


@pytest.mark.parametrize(
    ("content_type", "is_page"),
    [
        ("text/html; charset=utf-8", True),
        ("image/svg+xml", True),
        ("application/json", True),
        ("text/javascript; charset=utf-8", False),
        ("text/css", False),
    ],
)
async def test_parts_of_pages_go_without_what_holds_for_pages(content_type, is_page):
    headers = await answered(content_type=content_type)
    assert headers["x-content-type-options"] == "nosniff"
    assert ("content-security-policy" in headers) == ("permissions-policy" in headers) == is_page
