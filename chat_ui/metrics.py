"""Metrics for Prometheus: what has come of replies, and what is under way in this process."""

import hmac
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fastapi import FastAPI, Request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from starlette.responses import Response

from chat_core import ChatService, TurnReport
from chat_core.turns import Step

log = logging.getLogger(__name__)

PATH = "/metrics"
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)
_STORE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 7)

REGISTRY = CollectorRegistry()
_TURNS = Counter("chat_turns", "Replies that have ended", ["outcome", "model"], registry=REGISTRY)
_TOKENS = Counter("chat_tokens", "Tokens, as the providers count", ["kind", "model"], registry=REGISTRY)
_FIRST_TOKEN = Histogram(
    "chat_first_token_seconds",
    "From the request to a model to its first token",
    ["model"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_DURATION = Histogram(
    "chat_turn_seconds", "How long replies took", ["model"], buckets=_SECONDS, registry=REGISTRY
)
_RUNNING = Gauge("chat_running_turns", "Turns whose replies are being written", registry=REGISTRY)
_FOLLOWERS = Gauge("chat_followers", "Pages and callers that follow a turn", registry=REGISTRY)
_STORE = Gauge("chat_store_seconds", "How long the store took for its latest probe", registry=REGISTRY)
_STORE_STEPS = Histogram(
    "chat_store_step_seconds",
    "How long the store took to claim or to finish a turn",
    ["step"],
    buckets=_STORE_SECONDS,
    registry=REGISTRY,
)
_REFUSED = Counter("chat_refused", "What was refused or failed, by its code", ["code"], registry=REGISTRY)


def count_refusal(code: str) -> None:
    """Somebody was told an error of that code."""
    _REFUSED.labels(code).inc()


class Metrics:
    """The metrics of a service, from when it is built on."""

    def __init__(self, service: ChatService) -> None:
        self._settings = service.settings
        self._token = self._settings.metrics_token.get_secret_value()
        service.on_turn(_count_turn)
        service.on_saved(_time_store)
        _RUNNING.set_function(lambda: service.running_turns)
        _FOLLOWERS.set_function(lambda: service.followers)
        _STORE.set_function(lambda: service.store_seconds)

    def add_to(self, app: FastAPI) -> None:
        """The route for who has METRICS_TOKEN, if that is set."""
        if self._token:
            app.add_api_route(PATH, self._answer, methods=["GET"])

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serves them at METRICS_PORT meanwhile, if that is set, to whoever reaches it."""
        if not self._settings.metrics_port:
            yield
            return
        address = self._settings.gradio_server_name
        server, thread = start_http_server(self._settings.metrics_port, address, REGISTRY)
        log.info("Metrics are at http://%s:%d%s", address, self._settings.metrics_port, PATH)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    async def _answer(self, request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return Response(status_code=401, headers={"www-authenticate": "Bearer"})
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


def _count_turn(report: TurnReport) -> None:
    _TURNS.labels(report.outcome, report.model).inc()
    _TOKENS.labels("sent", report.model).inc(report.prompt_tokens)
    _TOKENS.labels("received", report.model).inc(report.completion_tokens)
    if report.seconds_to_first_token is not None:
        _FIRST_TOKEN.labels(report.model).observe(report.seconds_to_first_token)
    _DURATION.labels(report.model).observe(report.seconds)


def _time_store(steps: Sequence[Step]) -> None:
    for step in steps:
        kind, _, name = step.name.partition(" ")
        if kind == "store":
            _STORE_STEPS.labels(name).observe(step.ended - step.began)
