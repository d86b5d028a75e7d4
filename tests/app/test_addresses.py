"""Where a caller comes from: the connection, or what a trusted proxy says; never what anybody writes."""

from pathlib import Path

import pytest
from gradio_client.exceptions import AppError

from tests.app.clients import connected, start
from tests.running import RunningApp, running_app

LIMITS = {"REDIS_URL": "memory://", "RATE_LIMIT": "", "RATE_LIMIT_ADDRESS": "3/hour"}


def start_from(app: RunningApp, forwarded: str) -> None:
    """A new user starts a conversation, behind proxies that wrote this header."""
    with connected(app, headers={"x-forwarded-for": forwarded}) as client:
        start(client)


def test_nobody_who_is_not_a_trusted_proxy_chooses_an_address(tmp_path: Path, model: dict[str, str]) -> None:
    with running_app(tmp_path, FORWARDED_ALLOW_IPS="*", **LIMITS, **model) as app, connected(app) as client:
        for user_id in ("ana", "bob"):  # their messages count for the address, too
            client.predict(**start(client, user_id=user_id), message="Hello", api_name="/chat")
        start_from(app, "192.0.2.1")
        with pytest.raises(AppError, match="too fast"):
            start_from(app, "192.0.2.2")
        with pytest.raises(AppError, match=r"try again in \d+ seconds"):
            client.predict(**start(client, user_id="cleo"), message="Hello", api_name="/chat")


def test_behind_trusted_proxies_the_last_hop_before_them_counts(
    tmp_path: Path, model: dict[str, str]
) -> None:
    with running_app(tmp_path, TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8", **LIMITS, **model) as app:
        for number in range(3):
            start_from(app, f"198.51.100.{number}, 192.0.2.1, 10.1.2.3")
        with pytest.raises(AppError, match="too fast"):
            start_from(app, "192.0.2.1")
        start_from(app, "192.0.2.2, 10.1.2.3")
