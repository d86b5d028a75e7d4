"""How many tokens a user and an address may spend in a day."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from chat_core.errors import TokensUsedUp, TokensUsedUpAtAddress
from chat_core.storage import TokenBudget

NOON = 20_000 * 24 * 3600 + 12 * 3600.0  # 2024-10-04


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def day() -> Clock:
    return Clock()


async def spent(budget: TokenBudget, user_id: str, tokens: int, address: str = "") -> None:
    """Until it is written."""
    budget.spend(user_id, address, tokens)
    await budget.close()


async def test_what_is_spent_is_used_up_until_the_next_day(redis: Redis, day: Clock) -> None:
    budget = TokenBudget(redis, 100, 0, clock=day)
    await budget.check("u_ada")
    await spent(budget, "u_ada", 99)
    await budget.check("u_ada")
    await spent(budget, "u_ada", 30)  # what has begun is not cut
    with pytest.raises(TokensUsedUp) as caught:
        await budget.check("u_ada")
    assert caught.value.facts == {"limit": 100, "retry_after": 12 * 3600, "opens_at": "2024-10-05 00:00"}
    await budget.check("u_bob")
    day.now += 12 * 3600
    await budget.check("u_ada")


async def test_users_of_one_address_share_its_limit(redis: Redis, day: Clock) -> None:
    budget = TokenBudget(redis, 0, 100, clock=day)
    await spent(budget, "u_ada", 60, "192.0.2.1")
    await spent(budget, "u_bob", 60, "192.0.2.1")
    with pytest.raises(TokensUsedUpAtAddress):
        await budget.check("u_cleo", "192.0.2.1")
    await budget.check("u_cleo", "192.0.2.2")
    await budget.check("u_cleo", "")


async def test_processes_count_together_and_nothing_is_kept_for_ever(redis: Redis, day: Clock) -> None:
    one, another = (TokenBudget(redis, 100, 100, clock=day) for _ in range(2))
    await spent(one, "u_ada", 60, "192.0.2.1")
    await spent(another, "u_ada", 60, "192.0.2.1")
    for budget in (another, TokenBudget(redis, 100, 0, clock=day)):
        with pytest.raises(TokensUsedUp):
            await budget.check("u_ada")
    assert len(names := [key async for key in redis.scan_iter()]) == 2
    assert all([0 < await redis.ttl(name) <= 2 * 24 * 3600 for name in names])


async def test_what_is_left_is_told_when_it_is_little(redis: Redis, day: Clock) -> None:
    budget = TokenBudget(redis, 100, 1000, clock=day)
    await spent(budget, "u_ada", 79, "192.0.2.1")
    assert budget.nearly_used_up("u_ada", "192.0.2.1") is None
    await spent(budget, "u_ada", 1, "192.0.2.1")
    assert budget.nearly_used_up("u_ada", "192.0.2.1") == (20, 100, "2024-10-05 00:00")
    await spent(budget, "u_bob", 995, "192.0.2.1")
    assert budget.nearly_used_up("u_bob", "192.0.2.1") == (0, 100, "2024-10-05 00:00")


async def test_without_limits_redis_is_not_asked() -> None:
    budget = TokenBudget(Redis(host="127.0.0.1", port=1), 0, 0)
    await budget.check("u_ada", "192.0.2.1")
    await spent(budget, "u_ada", 10, "192.0.2.1")
    assert budget.nearly_used_up("u_ada", "192.0.2.1") is None


async def test_with_limits_redis_is_asked_once_a_reply(
    redis: Redis, day: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(name: str) -> None:
        ask = getattr(redis, name)
        monkeypatch.setattr(redis, name, lambda *args, **options: asked.append(name) or ask(*args, **options))

    noted("execute_command")
    noted("pipeline")
    budget = TokenBudget(redis, 1000, 1000, clock=day)
    for _ in range(3):
        await budget.check("u_ada", "192.0.2.1")
        await spent(budget, "u_ada", 10, "192.0.2.1")
    first = ["pipeline"]  # nothing is known of the day yet
    assert asked == [*first, *["pipeline"] * 3]


async def test_what_could_not_be_written_is_counted_here_and_written_later(
    redis: Redis, day: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = TokenBudget(redis, 100, 0, clock=day)
    await budget.check("u_ada")

    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(redis, "pipeline", away)
        await spent(budget, "u_ada", 100)
    with pytest.raises(TokensUsedUp):
        await budget.check("u_ada")
    await TokenBudget(redis, 100, 0, clock=day).check("u_ada")
    await spent(budget, "u_bob", 1)
    with pytest.raises(TokensUsedUp):
        await TokenBudget(redis, 100, 0, clock=day).check("u_ada")
