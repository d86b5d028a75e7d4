"""The roles that users write: how they are kept, over every store."""

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from chat_core.errors import UnknownRole
from chat_core.roles import CUSTOM, Role, load_roles
from chat_core.storage import RoleStore, keys

from .conftest import TTL_SECONDS, USER

POET = Role(key="own-1", name="Poet", prompt="Rhyme.", description="In verse", temperature=1.2)
CHEF = Role(key="own-2", name={"zh": "厨师", "en": "Chef"}, prompt="Cook.", example_questions=["Dinner?"])


@pytest.fixture
def roles(redis: Redis) -> RoleStore:
    return RoleStore(redis, load_roles(), ttl_seconds=TTL_SECONDS)


async def test_roles_are_kept_as_they_were_written_the_oldest_first(roles: RoleStore) -> None:
    for role in (CHEF, POET):
        await roles.save(USER, role)
    assert await roles.own(USER) == [POET, CHEF]
    assert await roles.find(USER, "own-2") == CHEF
    assert await roles.own("u_bob") == []
    louder = POET.model_copy(update={"prompt": "Rhyme loudly."})
    await roles.save(USER, louder)
    assert await roles.own(USER) == [louder, CHEF]
    assert [await roles.delete(USER, "own-1") for _ in range(2)] == [True, False]
    assert await roles.own(USER) == [CHEF]


@pytest.mark.parametrize("key", ["own-9", "Teacher", "custom:x", ""])
async def test_a_key_of_no_role_is_unknown_and_gives_way_to_the_default(roles: RoleStore, key: str) -> None:
    await roles.save("u_bob", POET.model_copy(update={"key": "own-9"}))
    assert (await roles.find_or_default(USER, key)).key == "assistant"
    if key:
        with pytest.raises(UnknownRole):
            await roles.find(USER, key)


async def test_a_prompt_that_was_written_before_is_the_first_role(roles: RoleStore, redis: Redis) -> None:
    assert await roles.find(USER, "custom") == CUSTOM  # callers name it whether it was written or not
    assert await roles.own(USER) == []
    await redis.set(keys.custom_prompt(USER), "Rhyme.")
    await roles.save(USER, CHEF)
    first = CUSTOM.model_copy(update={"prompt": "Rhyme."})
    assert await roles.own(USER) == [first, CHEF]
    assert await roles.find(USER, "custom") == first
    named = first.model_copy(update={"name": POET.name})
    await roles.save(USER, named)
    assert await roles.own(USER) == [named, CHEF]
    assert await roles.find(USER, "custom") == named
    assert not await redis.exists(keys.custom_prompt(USER))


async def test_a_prompt_that_was_written_before_can_be_deleted(roles: RoleStore, redis: Redis) -> None:
    await redis.set(keys.custom_prompt(USER), "Rhyme.")
    assert await roles.delete(USER, "custom")
    assert await roles.own(USER) == []
    assert await redis.keys("*") == []


async def test_a_role_that_cannot_be_read_hides_no_other(
    roles: RoleStore, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await roles.save(USER, CHEF)
    await redis.hset(keys.roles(USER), "own-3", '{"prompt": "secret"}')
    assert await roles.own(USER) == [CHEF]
    assert (await roles.find_or_default(USER, "own-3")).key == "assistant"
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("ttl_seconds", [TTL_SECONDS, 0], ids=["some time", "for ever"])
async def test_roles_are_kept_as_long_after_their_last_use_as_a_session(
    redis: Redis, ttl_seconds: int
) -> None:
    roles = RoleStore(redis, load_roles(), ttl_seconds=ttl_seconds)
    prompt, kept = keys.custom_prompt(USER), keys.roles(USER)
    uses: dict[str, tuple[Callable[[], Awaitable[object]], set[str]]] = {
        "save": (lambda: roles.save(USER, POET), {kept}),
        "own": (lambda: roles.own(USER), {kept, prompt}),
        "find": (lambda: roles.find(USER, "own-1"), {kept, prompt}),
    }
    await redis.set(prompt, "Rhyme.")
    for name, (use, used) in uses.items():
        if ttl_seconds:
            for key in await redis.keys("*"):
                await redis.expire(key, 60)
        await use()
        expected = range(TTL_SECONDS - 5, TTL_SECONDS + 1) if ttl_seconds else [-1]
        assert {key for key in await redis.keys("*") if await redis.ttl(key) in expected} >= used, name
