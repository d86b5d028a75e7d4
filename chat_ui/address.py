"""The address that a caller comes from, as limits count it.

uvicorn, not Gradio, says where a connection comes from. In front of it may be reverse proxies: see
`Server`, which has uvicorn believe their X-Forwarded-For when TRUSTED_PROXIES names them.
"""

from ipaddress import IPv6Address, ip_address, ip_network

# Whoever comes from the app's own machine sits at it, or comes through a proxy that nobody has named, as all
# others do then.
_THIS_MACHINE = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def address_of(client: tuple[str, int] | None) -> str:
    """A key for the `client` of an ASGI scope or a request; "" for one that is not to be counted. Who has one
    IPv6 address has a whole network of them, so that counts as one."""
    host = client[0] if client else ""
    if host in _THIS_MACHINE:
        return ""
    try:
        address = ip_address(host)
    except ValueError:  # a name that a trusted proxy gave
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
