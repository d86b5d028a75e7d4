"""Two processes and one session, at length; `make test` has a short version."""

import pytest

from chat_core.storage.valkey import EmbeddedValkey

from .storm import storm


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_two_apps_change_one_session_at_once(valkey: EmbeddedValkey, seed: int) -> None:
    succeeded = await storm(valkey, 400, seed)
    assert min(succeeded.values()) > 0
