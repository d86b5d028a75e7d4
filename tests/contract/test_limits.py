"""How many messages a user may send."""

import pytest
from redis.asyncio import Redis

from chat_core.errors import RateLimited
from chat_core.storage import RateLimiter


async def test_the_limit_is_reached_after_as_many_messages(redis: Redis) -> None:
    limiter = RateLimiter(redis, "3/minute")
    for _ in range(3):
        await limiter.check("u_ada")
    with pytest.raises(RateLimited) as caught:
        await limiter.check("u_ada")
    assert 55 < caught.value.retry_after <= 60
    assert caught.value.facts == {"retry_after": caught.value.retry_after}


async def test_what_is_refused_does_not_count(redis: Redis) -> None:
    limiter = RateLimiter(redis, "1/second")
    await limiter.check("u_ada")
    for _ in range(5):
        with pytest.raises(RateLimited) as caught:
            await limiter.check("u_ada")
    assert caught.value.retry_after == 1.0


async def test_other_users_are_not_affected(redis: Redis) -> None:
    limiter = RateLimiter(redis, "1/hour")
    await limiter.check("u_ada")
    await limiter.check("u_bob")
    with pytest.raises(RateLimited):
        await limiter.check("u_ada")


async def test_processes_count_together(redis: Redis) -> None:
    await RateLimiter(redis, "1/hour").check("u_ada")
    with pytest.raises(RateLimited):
        await RateLimiter(redis, "1/hour").check("u_ada")


async def test_the_empty_limit_allows_everything(redis: Redis) -> None:
    limiter = RateLimiter(redis, "")
    for _ in range(50):
        await limiter.check("u_ada")
    assert await redis.keys("*") == []
