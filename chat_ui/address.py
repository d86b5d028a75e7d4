"""The address that a caller comes from, as limits count it.

uvicorn, not Gradio, says where a connection comes from. In front of it may be reverse proxies: see
`Server`, which has uvicorn believe their X-Forwarded-For when TRUSTED_PROXIES names them.
"""

import logging
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from chat_core import THIS_MACHINE

log = logging.getLogger(__name__)

_AT_THIS_MACHINE = (THIS_MACHINE, "::1", "::ffff:127.0.0.1")

# What reverse proxies say of whom they speak for.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def is_at_the_machine(client: tuple[str, int] | None, headers: Mapping[str, str]) -> bool:
    """Whether the `client` of a request with these `headers` sits at the app's own machine: whoever runs the
    app, as far as can be told."""
    host = client[0] if client else ""
    return host in _AT_THIS_MACHINE and not any(name in headers for name in _FORWARDED)


def address_of(client: tuple[str, int] | None) -> str:
    """A key for the `client` of an ASGI scope or a request; "" for one that has none. Who has one IPv6
    address has a whole network of them, so that counts as one."""
    host = client[0] if client else ""
    if host in _AT_THIS_MACHINE:
        return THIS_MACHINE
    try:
        address = ip_address(host)
    except ValueError:  # a name that a trusted proxy gave
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))


def remote_address(client: tuple[str, int] | None) -> str:
    """The same, but "" for the app's own machine, where a proxy may be that nobody has named: its visitors
    must not be shut out together."""
    address = address_of(client)
    return "" if address == THIS_MACHINE else address


class ForwardedNotice:
    """ASGI middleware that logs, once, that a proxy says for whom it asks and is not believed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._told and scope["type"] == "http" and (client := scope.get("client")):
            forwarded = Headers(scope=scope).get("x-forwarded-for", "")
            # Of one that is believed, the address is among those that it names.
            if forwarded and client[0] not in forwarded:
                self._told = True
                log.warning(
                    "X-Forwarded-For comes from %s, which TRUSTED_PROXIES does not name: all who come "
                    "through it count as one address. Name it there if it is your proxy.",
                    client[0],
                )
        await self._app(scope, receive, send)
