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


async def test_new_users_of_one_address_share_its_limit(redis: Redis) -> None:
    limiter = RateLimiter(redis, "9/hour", "2/hour")
    await limiter.check("u_ada", "192.0.2.1")
    await limiter.check("u_bob", "192.0.2.1")
    with pytest.raises(RateLimited) as caught:
        await limiter.check("u_cleo", "192.0.2.1")
    assert 3590 < caught.value.retry_after <= 3600
    with pytest.raises(RateLimited):
        await limiter.check_address("192.0.2.1")
    await limiter.check("u_cleo", "192.0.2.2")


async def test_who_is_over_the_own_limit_takes_nothing_from_others_at_the_address(redis: Redis) -> None:
    limiter = RateLimiter(redis, "1/hour", "2/hour")
    await limiter.check("u_ada", "192.0.2.1")
    for _ in range(5):
        with pytest.raises(RateLimited):
            await limiter.check("u_ada", "192.0.2.1")
    await limiter.check("u_bob", "192.0.2.1")


async def test_a_user_who_is_called_like_an_address_is_none(redis: Redis) -> None:
    limiter = RateLimiter(redis, "1/hour", "1/hour")
    await limiter.check("192.0.2.1")
    await limiter.check("u_ada", "192.0.2.1")


async def test_a_spared_address_has_no_limit(redis: Redis) -> None:
    limiter = RateLimiter(redis, "", "1/hour", spared="127.0.0.1")
    for number in range(3):
        await limiter.check(f"u_{number}", "127.0.0.1")
    await limiter.check("u_ada", "127.0.0.2")
    with pytest.raises(RateLimited):
        await limiter.check("u_ada", "127.0.0.2")


async def test_an_unknown_address_has_no_limit(redis: Redis) -> None:
    limiter = RateLimiter(redis, "", "1/hour")
    for _ in range(3):
        await limiter.check("u_ada")
        await limiter.check_address("")
