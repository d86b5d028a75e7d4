"""Where a caller comes from: the connection, or what a trusted proxy says; never what anybody writes."""

from pathlib import Path

import pytest
from gradio_client.exceptions import AppError

from tests.app.clients import connected, start
from tests.faults.callers import callers
from tests.running import RunningApp, running_app

LIMITS = {"REDIS_URL": "memory://", "RATE_LIMIT": "", "RATE_LIMIT_ADDRESS": "3/hour"}


def start_from(app: RunningApp, forwarded: str) -> None:
    """A new user starts a conversation, behind proxies that wrote this header."""
    with connected(app, headers={"x-forwarded-for": forwarded}) as client:
        start(client)


async def test_nobody_who_is_not_a_trusted_proxy_chooses_an_address(
    tmp_path: Path, model: dict[str, str]
) -> None:
    with running_app(tmp_path, FORWARDED_ALLOW_IPS="*", **LIMITS, **model) as app:
        async with callers(app.url, 2, "127.0.0.2", {"x-forwarded-for": "192.0.2.1"}) as (ana, bob):
            await ana.call("chat", message="Hello")
            with pytest.raises(RuntimeError, match="too fast"):
                await bob.call("chat", message="Hello")  # messages count for the address, too
        with pytest.raises(RuntimeError, match=r"try again in \d+ seconds"):
            async with callers(app.url, 1, "127.0.0.2", {"x-forwarded-for": "192.0.2.2"}):
                pass
        async with callers(app.url, 3):
            pass
        with pytest.raises(RuntimeError, match="too fast"):
            async with callers(app.url, 1):  # a limit that was set is this machine's too
                pass
        assert app.log.count("TRUSTED_PROXIES does not name") == 1
        assert "comes from 127.0.0.2" in app.log


def test_behind_trusted_proxies_the_last_hop_before_them_counts(
    tmp_path: Path, model: dict[str, str]
) -> None:
    with running_app(tmp_path, TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8", **LIMITS, **model) as app:
        for number in range(3):
            start_from(app, f"198.51.100.{number}, 192.0.2.1, 10.1.2.3")
        with pytest.raises(AppError, match="too fast"):
            start_from(app, "192.0.2.1")
        start_from(app, "192.0.2.2, 10.1.2.3")
        assert "TRUSTED_PROXIES does not name" not in app.log
