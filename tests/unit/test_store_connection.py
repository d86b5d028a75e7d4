"""The addresses of stores: which options they may have."""

import pytest

from chat_core import ConfigError
from chat_core.storage import StoreConnection
from chat_core.store_address import StoreAddress


@pytest.mark.parametrize("option", ["colour=red", "socket_timeout=long", "db=first"])
def test_an_unknown_option_is_a_mistake_of_the_configuration(option: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL") as told:
        StoreConnection(StoreAddress(f"redis://:secret@localhost/?{option}"))
    assert "secret" not in str(told.value)


def test_answers_come_in_the_form_that_is_read_whatever_the_address_says() -> None:
    store = StoreConnection(StoreAddress("redis://localhost/?protocol=3&db=2"))
    options = store.redis.connection_pool.connection_kwargs
    assert options.get("protocol") is None
    assert options["db"] == 2


def test_connections_do_not_each_look_up_the_version_of_the_library() -> None:
    pool = StoreConnection(StoreAddress("redis://localhost/")).redis.connection_pool
    assert pool.make_connection().driver_info is pool.make_connection().driver_info is not None
