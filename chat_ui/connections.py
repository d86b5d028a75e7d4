"""Connections: how many one address may have, and by when a client has to have said what it wants.

uvicorn 0.54 waits for ever for a first request, for the rest of one, and until an answer is read, and takes
any amount of headers (`httptools_impl.py`). Whoever opens connections and says nothing would soon have all
that a process is given, and whoever says too much all memory.
"""

import resource
import socket
import sys
from asyncio import BaseTransport, TimerHandle
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from fcntl import ioctl
from ipaddress import ip_address, ip_network
from termios import TIOCOUTQ
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .address import remote_address

# The longest that a browser sends, with all cookies of a site, are a quarter of it.
_MOST_HEAD_BYTES = 65_536
_PATIENCE_SECONDS = 20.0

# That the system takes over of what a client has no room for.
_MOST_UNSENT_BYTES = 131_072

_MOST_FILES = 65_536


def allow_many_connections() -> int:
    """Lets the process have as many of them as the system allows, which gives it fewer unless it asks; how
    many files it may have open now, of which they are some."""
    given, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
    if 0 <= given < allowed:  # a negative number is no limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
        return allowed
    return given if given >= 0 else _MOST_FILES


class Connections:
    """Makes connections for uvicorn: no more than `per_address` of one address (0: any number), but of the
    app's own machine and of `proxies`, which speak for many. Once half of all are there that the process can
    have, `in_all`, it is an eighth of that: what a few addresses take together must not be everything. A
    client has `patience` seconds to send the head of a request, and as many for each part of its body, and
    to read some of an answer."""

    def __init__(
        self, *, per_address: int, in_all: int, proxies: Sequence[str], patience: float = _PATIENCE_SECONDS
    ) -> None:
        self.patience = patience
        self._per_address = per_address
        self._in_all = in_all
        self._number = 0
        self._proxies = [ip_network(proxy) for proxy in proxies]
        self._taken: Counter[str] = Counter()

    def __call__(self, *arguments: Any, **named: Any) -> "Connection":
        return Connection(self, *arguments, **named)

    def take(self, client: tuple[str, int] | None) -> str | None:
        """Counts a new connection of the client's: what `give_back` is to be told, None if it is one too
        many."""
        address = remote_address(client)
        if not (client and address) or any(ip_address(client[0]) in proxy for proxy in self._proxies):
            return ""
        share = -(-self._per_address // 8) if self._number >= self._in_all // 2 else self._per_address
        if 0 < share <= self._taken[address]:
            return None
        self._taken[address] += 1
        self._number += 1
        return address

    def give_back(self, address: str | None) -> None:
        """A connection has ended."""
        if address:
            self._number -= 1
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]


class Connection(HttpToolsProtocol):
    """A connection that its client has to use."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._all = connections
        self._address: str | None = None
        self._head_bytes = 0
        self._deadline: TimerHandle | None = None
        self._unread = 0
        self._look: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._address = self._all.take(self.client)
        if self._address is None:
            self.transport.abort()
        else:
            # Without it megabytes would be there before it is seen that the client does not read.
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT_BYTES)
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._call_off()
        self._stop_looking()
        self._all.give_back(self._address)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("Headers are too long.")

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_bytes = 0
        self._expect()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._head_bytes = 0
        self._expect()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head_bytes = 0
        self._call_off()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # none of those that were sent ahead has begun
            self._expect()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_looking()

    def _look_again(self) -> None:
        """Until it reads, the client is looked at from time to time."""
        self._unread = self._count_unread()
        self._look = self.loop.call_later(self._all.patience, self._look_at_reader)

    def _look_at_reader(self) -> None:
        if self._count_unread() < self._unread:
            self._look_again()
        else:
            self.transport.abort()

    def _stop_looking(self) -> None:
        if self._look:
            self._look.cancel()
            self._look = None

    def _count_unread(self) -> int:
        """The bytes that the client has not confirmed, those that the system has taken over included."""
        size = self.transport.get_write_buffer_size()
        with suppress(OSError):
            queued = ioctl(self.transport.get_extra_info("socket").fileno(), TIOCOUTQ, bytes(4))
            size += int.from_bytes(queued, sys.byteorder)
        return size

    def _expect(self) -> None:
        """From now on the client has to go on."""
        self._call_off()
        self._deadline = self.loop.call_later(self._all.patience, self._lose_patience)

    def _call_off(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _lose_patience(self) -> None:
        if self.flow.read_paused:  # it is the app that takes its time
            self._expect()
        else:
            self.transport.abort()
