"""Why a store cannot be used, from what its client raised."""

import ssl
from collections.abc import Iterator
from typing import Literal

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
)

# What clients raise; of a cluster's, some are no RedisError.
STORE_ERRORS = (RedisError, RedisClusterException)

StoreTrouble = Literal[
    "away", "loading", "full", "read_only", "not_writing", "login_refused", "certificate_refused"
]

# For the log: what is wrong, and what to do about it.
REASONS: dict[StoreTrouble, str] = {
    "away": "it does not answer",
    "loading": "it is still loading its data",
    "full": "it is full: give it more memory (maxmemory)",
    "read_only": "it is a read-only replica: REDIS_URL must name the primary",
    "not_writing": "it refuses to write, for its disk is full or failing, or its replicas are away",
    "login_refused": "it does not accept the password of REDIS_URL or REDIS_PASSWORD, or not for this",
    "certificate_refused": "its certificate is not trusted: name the authority in REDIS_URL (ssl_ca_certs=…)",
}

_KINDS: dict[type[Exception], StoreTrouble] = {
    BusyLoadingError: "loading",  # a ConnectionError for the client, as AuthenticationError is
    OutOfMemoryError: "full",
    ReadOnlyError: "read_only",
    AuthenticationError: "login_refused",
    NoPermissionError: "login_refused",
    ssl.SSLCertVerificationError: "certificate_refused",
}
# How the server's own words begin, where the client has no type for them.
_CODES = ("MISCONF", "NOREPLICAS")


def trouble_of(error: BaseException) -> StoreTrouble:
    """The kind of trouble; "away" is also what nobody has a name for."""
    for one in _chain(error):
        for kind, trouble in _KINDS.items():
            if isinstance(one, kind):
                return trouble
        if str(one).startswith(_CODES):
            return "not_writing"
    return "away"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, the latest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
