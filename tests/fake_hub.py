"""An OpenID provider, as Hugging Face is one: whoever comes is taken for `somebody`, without being asked."""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from aiohttp import BasicAuth, web
from anyio.from_thread import start_blocking_portal

CLIENT_ID, SECRET = "client-of-a-space", "secret-of-a-space"


class FakeHub:
    """The provider at `url`. `asked` has what it was asked for at its page."""

    def __init__(self) -> None:
        self.somebody: str | None = "0123456789abcdef01234567"
        self.url = ""
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, str] = {}

    @property
    def settings(self) -> dict[str, str]:
        """What a Space sets for it."""
        return {
            "OAUTH_CLIENT_ID": CLIENT_ID,
            "OAUTH_CLIENT_SECRET": SECRET,
            "OAUTH_SCOPES": "openid profile",
            "OPENID_PROVIDER_URL": self.url,
        }

    async def __aenter__(self) -> "FakeHub":
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._describe)
        app.router.add_get("/oauth/authorize", self._authorize)
        app.router.add_post("/oauth/token", self._exchange)
        app.router.add_get("/oauth/userinfo", self._tell)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _describe(self, _: web.Request) -> web.Response:
        names = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        return web.json_response(
            {f"{name}_endpoint": f"{self.url}/oauth/{path}" for name, path in names.items()}
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        answer = {"state": asked["state"]}
        if self.somebody is None:
            answer["error"] = "access_denied"
        else:
            answer["code"] = code = secrets.token_hex(8)
            self._codes[code] = {**asked, "sub": self.somebody}
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode(answer)}")

    async def _exchange(self, request: web.Request) -> web.Response:
        """Only for the client, once, and for who has begun it."""
        login = BasicAuth.decode(request.headers.get("authorization", ""))
        form = await request.post()
        asked = self._codes.pop(str(form["code"]), None)
        proof = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        if (
            (login.login, login.password) != (CLIENT_ID, SECRET)
            or asked is None
            or asked["client_id"] != CLIENT_ID
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != base64.urlsafe_b64encode(proof).decode().rstrip("=")
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = secrets.token_hex(16)
        self._tokens[token] = asked["sub"]
        return web.json_response({"access_token": token, "token_type": "bearer", "expires_in": 3600})

    async def _tell(self, request: web.Request) -> web.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._tokens:
            return web.json_response({"error": "invalid_token"}, status=401)
        return web.json_response({"sub": self._tokens[token], "preferred_username": "ana"})


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """The provider in a thread of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(FakeHub()) as hub:
        yield hub
