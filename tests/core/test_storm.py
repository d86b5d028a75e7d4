"""Two processes and one session, briefly; `make faults` does it at length."""

from chat_core.storage.valkey import EmbeddedValkey
from tests.faults.storm import storm


async def test_two_apps_change_one_session_at_once(valkey: EmbeddedValkey) -> None:
    await storm(valkey, 40, seed=0)
