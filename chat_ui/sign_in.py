"""Signing in with an OpenID provider, as Hugging Face is one for its Spaces. Who somebody is here is what the
provider calls them, its `sub`; its tokens are not kept."""

import asyncio
import hmac
import logging
import secrets

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from fastapi import FastAPI
from gradio.route_utils import get_root_url
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chat_core import ChatError, Settings

from .login import NOT_KEPT, Login

log = logging.getLogger(__name__)

_COOKIE = "role-chat-sign-in"  # which sign-in this browser has begun
_BEGUN_SECONDS = 600
_TIMEOUT_SECONDS = 10.0
_FAILURES = (AuthlibBaseError, httpx.HTTPError, ValueError, KeyError, TimeoutError)


class Provider(BaseModel):
    """Where a provider has its endpoints, of all that it tells of itself."""

    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str


class UserInfo(BaseModel):
    """Who somebody is, of all that a provider tells of them."""

    sub: str


class SignIn:
    """The routes "/login/openid", which leads to the provider, and "/login/callback", its way back."""

    PATHS = ("/login/openid", "/login/callback")

    def __init__(self, login: Login, settings: Settings) -> None:
        self._login = login
        self._settings = settings
        self._known: Provider | None = None

    def add_to(self, app: FastAPI) -> None:
        for path, answer in zip(self.PATHS, (self.begin, self.finish), strict=True):
            app.add_api_route(path, answer, methods=["GET"])

    async def begin(self, request: Request) -> Response:
        verifier = secrets.token_urlsafe(48)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._client(request) as client:
                provider = await self._provider(client)
                url, state = client.create_authorization_url(
                    provider.authorization_endpoint, code_verifier=verifier
                )
        except _FAILURES as error:
            return self._failed(error)
        answer = RedirectResponse(url, 303, NOT_KEPT)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            _COOKIE, f"{state}.{verifier}", _BEGUN_SECONDS, httponly=True, secure=secure, samesite="lax"
        )
        return answer

    async def finish(self, request: Request) -> Response:
        """Lets in whom the provider names, in the browser that has begun it."""
        state, _, verifier = request.cookies.get(_COOKIE, "").partition(".")
        given = request.query_params
        if not (verifier and hmac.compare_digest(state.encode(), given.get("state", "").encode())):
            return self._failed(None)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._client(request) as client:
                provider = await self._provider(client)
                await client.fetch_token(provider.token_endpoint, code=given["code"], code_verifier=verifier)
                told = await client.get(provider.userinfo_endpoint)
                user = UserInfo.model_validate_json(told.raise_for_status().content)
            answer = await self._login.let_in(request, RedirectResponse("../", 303, NOT_KEPT), user.sub)
        except (*_FAILURES, ChatError) as error:
            return self._failed(error)
        answer.delete_cookie(_COOKIE)
        return answer

    def _failed(self, error: Exception | None) -> Response:
        log.warning("A sign-in failed: %s", type(error).__name__ if error else "it was not begun there")
        return RedirectResponse("../login?sign_in=failed", 303, NOT_KEPT)

    def _client(self, request: Request) -> AsyncOAuth2Client:
        settings = self._settings
        page = get_root_url(request, request.url.path, settings.root_path.rstrip("/") or None)
        if settings.space_host:  # the address that the Hub knows, whichever this one is
            page = f"https://{settings.space_host}"
        return AsyncOAuth2Client(
            settings.oauth_client_id,
            settings.oauth_client_secret.get_secret_value(),
            scope=settings.oauth_scopes,
            redirect_uri=f"{page}/login/callback",
            code_challenge_method="S256",
            timeout=_TIMEOUT_SECONDS,
        )

    async def _provider(self, client: AsyncOAuth2Client) -> Provider:
        """Asks it once."""
        if self._known is None:
            address = f"{self._settings.openid_provider_url}/.well-known/openid-configuration"
            told = await client.request("GET", address, withhold_token=True)
            self._known = Provider.model_validate_json(told.raise_for_status().content)
        return self._known
