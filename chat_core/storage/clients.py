"""Clients: of one server, of a cluster, of the master that sentinels name, of this process's memory."""

import re
from typing import Any

from redis.asyncio import Redis, RedisCluster, Sentinel, SSLConnection
from redis.asyncio.cluster import ClusterPipeline
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.connection import HiredisRespSerializer
from redis.driver_info import DriverInfo
from redis.exceptions import RedisClusterException

from ..errors import ConfigError
from ..store_address import StoreAddress

# What hiredis does in a tenth of the time, and redis-py has it do for clients that are not asynchronous.
AbstractConnection.pack_command = HiredisRespSerializer.pack  # type: ignore[method-assign, assignment]

_OPTIONS: dict[str, Any] = {
    "max_connections": 2000,
    # One byte that is no UTF-8 must not fail whatever is read together with it.
    "encoding_errors": "replace",
    "health_check_interval": 30,
    # Not the library's ten tries: a person waits for the word that the store is away.
    "socket_timeout": 4,
    # Otherwise each connection looks up on the disk which version the library has.
    "driver_info": DriverInfo(),
}


def connect(address: StoreAddress, *, decode: bool = True) -> Any:
    """A client that connects when it is first used, and that has texts or bytes for answers. Raises
    ConfigError for options that it does not know."""
    if address.url == "memory://":
        from fakeredis import FakeAsyncRedis, FakeServer  # nobody needs it before

        return FakeAsyncRedis(server=FakeServer(), decode_responses=decode)
    # The protocol would change the forms of answers.
    url = re.sub(r"(?<=[?&])protocol=\d+&?", "", address.url)
    try:
        options = {**_OPTIONS, "decode_responses": decode}
        if address.is_cluster:
            return _cluster(url, options)
        return _master(url, options, address) if address.sentinels else _server(url, options)
    except (ValueError, TypeError, RedisClusterException):
        raise ConfigError(["REDIS_URL: expected options that redis-py has, with values that fit"]) from None


def _server(url: str, options: dict[str, Any]) -> Redis:
    # A retry of its own for each client: the client adds to it.
    client = Redis.from_url(url, retry=_one_more_try(), **options)
    client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # looks at the options
    return client


def _master(url: str, options: dict[str, Any], address: StoreAddress) -> Redis:
    options = {**options, **parse_url(url)}
    for where in ("host", "port", "path"):
        options.pop(where, None)
    is_tls = options.pop("connection_class", None) is SSLConnection
    sentinel = Sentinel(address.sentinels, sentinel_kwargs={"socket_timeout": 1})  # type: ignore[no-untyped-call]
    master: Redis = sentinel.master_for(address.master, ssl=is_tls, retry=_one_more_try(), **options)
    return master


def _one_more_try() -> Retry:
    return Retry(ConstantBackoff(0.2), 1)


def _cluster(url: str, options: dict[str, Any]) -> "Cluster":
    # Enough tries to hear from another node where a slot is now.
    return Cluster.from_url(url, retry=Retry(ConstantBackoff(0.2), 4), **options)  # type: ignore[return-value]


class Cluster(RedisCluster):
    """A cluster whose pipelines are transactions unless they are told otherwise, as those of a server are.
    All keys of a transaction are one user's, and lie at one node."""

    def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> ClusterPipeline:
        return super().pipeline(transaction or None, shard_hint)
