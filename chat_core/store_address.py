"""StoreAddress: which Redis the settings call for."""

from typing import NamedTuple


class StoreAddress(NamedTuple):
    """Where the store is: the server at `url`, or the cluster that it is a node of; or whatever `sentinels`,
    pairs of host and port, call `master`, with the login and the options of the URL. "" is the embedded
    Valkey, memory:// this process."""

    url: str = ""
    is_cluster: bool = False
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
