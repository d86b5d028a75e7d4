"""Logins: who is let in, how often it may be tried, and how long a login holds."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from chat_core.errors import LoginFailed, StoreUnavailable, TooManyLoginTries
from chat_core.passwords import hash_password
from chat_core.service import LOGIN_SECONDS, Logins
from tests.conftest import Connect

USERS = {"ana": hash_password("secret-ana"), "bob": hash_password("secret-bob")}
ADDRESS = "192.0.2.1"


@pytest.fixture
def logins(redis: Redis) -> Logins:
    return Logins(USERS, redis)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords are compared with "secret-NAME" at once; the hashes that were looked at."""
    looked_at: list[str] = []
    names = {text: name for name, text in USERS.items()}

    def verify(password: str, text: str) -> bool:
        looked_at.append(text)
        return password == f"secret-{names[text]}"

    monkeypatch.setattr("chat_core.service.logins.verify_password", verify)
    return looked_at


async def fail(logins: Logins, name: str, address: str = "", *, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(LoginFailed):
            await logins.log_in(name, "wrong", address)


async def let_time_pass(redis: Redis) -> None:
    """The waits are over."""
    for key in [key async for key in redis.scan_iter("chat:login-tries:*:wait")]:
        await redis.delete(key)


async def wait_of(logins: Logins, name: str, address: str = "", password: str = "wrong") -> float:
    with pytest.raises(TooManyLoginTries) as caught:
        await logins.log_in(name, password, address)
    return caught.value.retry_after


async def test_a_login_holds_in_every_process_until_it_is_ended_in_one(connect: Connect) -> None:
    one, other = Logins(USERS, connect()), Logins(USERS, connect())
    token = await one.log_in("ana", "secret-ana")
    assert await one.user(token) == await other.user(token) == "ana"
    await other.log_out(token)
    assert await one.user(token) == await other.user(token) == ""


async def test_a_login_expires_and_the_store_is_not_told_its_token(logins: Logins, redis: Redis) -> None:
    token = await logins.log_in("ana", "secret-ana")
    (key,) = [key async for key in redis.scan_iter("chat:login:*")]
    assert token not in key
    assert LOGIN_SECONDS - 10 < await redis.ttl(key) <= LOGIN_SECONDS


@pytest.mark.parametrize(
    "users", [{"bob": USERS["bob"]}, {**USERS, "ana": hash_password("secret-ana")}], ids=["gone", "new hash"]
)
async def test_a_login_ends_with_its_user_and_with_its_password(
    logins: Logins, redis: Redis, users: dict[str, str]
) -> None:
    token = await logins.log_in("ana", "secret-ana")
    assert await Logins(users, redis).user(token) == ""


@pytest.mark.parametrize("name", ["ana", "nobody", "", "{odd} \n name", "\ud800"])
async def test_whoever_fails_looks_the_same_and_costs_the_same(
    logins: Logins, quick: list[str], name: str
) -> None:
    await fail(logins, name, times=5)
    assert len(quick) == 5
    assert await wait_of(logins, name) == 1


async def test_a_hash_is_no_password(logins: Logins) -> None:
    with pytest.raises(LoginFailed):
        await logins.log_in("ana", USERS["ana"])


async def test_each_further_try_of_a_name_doubles_the_wait_up_to_a_minute(
    logins: Logins, redis: Redis, quick: list[str]
) -> None:
    await fail(logins, "ana", times=5)
    waits = []
    for _ in range(8):
        waits.append(round(await wait_of(logins, "ana", password="secret-ana")))
        await let_time_pass(redis)
        await fail(logins, "ana")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_after_the_wait_the_right_password_is_taken_and_all_is_forgotten(
    logins: Logins, quick: list[str]
) -> None:
    await fail(logins, "ana", times=5)
    await asyncio.sleep(await wait_of(logins, "ana", password="secret-ana"))
    assert await logins.log_in("ana", "secret-ana")
    await fail(logins, "ana", times=5)


async def test_of_many_tries_at_once_only_the_free_ones_are_looked_at(
    connect: Connect, quick: list[str]
) -> None:
    processes = [Logins(USERS, connect()) for _ in range(3)]
    tries = [process.log_in("ana", "wrong") for process in processes for _ in range(50)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results].count(LoginFailed) == len(quick) == 5


async def test_tries_of_many_names_from_one_address_are_counted_together(
    logins: Logins, redis: Redis, quick: list[str]
) -> None:
    for number in range(20):
        await fail(logins, f"name{number}", ADDRESS)
    assert await wait_of(logins, "bob", ADDRESS, "secret-bob") == 1
    assert await logins.log_in("bob", "secret-bob", "192.0.2.2")
    await let_time_pass(redis)
    assert await logins.log_in("bob", "secret-bob", ADDRESS)


async def test_somebodys_own_login_gives_an_address_no_more_tries_of_others(
    logins: Logins, redis: Redis, quick: list[str]
) -> None:
    for number in range(22):
        await let_time_pass(redis)
        await fail(logins, f"name{number}", ADDRESS)
    await let_time_pass(redis)
    await logins.log_in("bob", "secret-bob", ADDRESS)
    await fail(logins, "one more", ADDRESS)
    assert await wait_of(logins, "another", ADDRESS) > 7


async def test_passwords_are_checked_one_after_the_other_and_few_wait(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[int] = [0, 0]

    async def check(*_: Any) -> bool:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(0)
        running[0] -= 1
        return False

    monkeypatch.setattr("asyncio.to_thread", check)
    tries = [logins.log_in(f"name{number}", "wrong") for number in range(100)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert running[1] == 1
    assert {type(result) for result in results} == {LoginFailed, TooManyLoginTries}


async def test_without_the_store_nobody_comes_in_and_nobody_who_is_in_is_put_out(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = Logins(USERS, redis), Logins(USERS, redis)
    token, ended = [await here.log_in("ana", "secret-ana") for _ in range(2)]
    await here.log_out(ended)

    async def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(redis, "execute_command", away)
    assert await here.user(token) == "ana"
    for refused in (
        here.log_in("bob", "secret-bob"),
        here.user(ended),
        here.user("made up"),
        elsewhere.user(token),
    ):
        with pytest.raises(StoreUnavailable):
            await refused


async def test_a_log_out_holds_for_who_asked_just_before(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = Logins(USERS, redis)
    token = await logins.log_in("ana", "secret-ana")
    get = redis.get

    async def answer_late(key: str) -> Any:
        found = await get(key)
        await logins.log_out(token)
        return found

    async def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(redis, "get", answer_late)
    assert await logins.user(token) == "ana"
    monkeypatch.setattr(redis, "get", away)
    with pytest.raises(StoreUnavailable):
        await logins.user(token)
