"""Traces, as a collector of OpenTelemetry gets them."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.running import running_app

from .clients import connected, start

pytestmark = pytest.mark.long

WAIT_SECONDS = 15
LONGEST_END_SECONDS = 8


class Collector(ThreadingHTTPServer):
    """Takes traces at `url`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.spans: queue.Queue[Any] = queue.Queue()
        self.received = b""
        self.services: set[str] = set()

    def turn(self) -> dict[str, Any]:
        """The next four spans, by their names: a turn's and its parts'."""
        spans = [self.spans.get(timeout=WAIT_SECONDS) for _ in range(4)]
        return {span.name: span for span in spans}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = values(resource.resource)
            self.server.services.add(attributes["service.name"])
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.server.spans.put(span)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def values(having_attributes: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in having_attributes.attributes
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


def test_a_turn_is_a_trace_with_the_store_and_the_model_in_it(tmp_path: Path, model: dict[str, str]) -> None:
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        app = stack.enter_context(running_app(tmp_path, REDIS_URL="memory://", **settings, **model))
        client = stack.enter_context(connected(app))
        talk = start(client)
        client.predict(**talk, message="My secret words", api_name="/chat")
        spans = collector.turn()
        turn = spans.pop("turn")
        assert spans.keys() == {"store claim", "model request", "store finish"}
        assert {span.parent_span_id for span in spans.values()} == {turn.span_id}
        assert {span.trace_id for span in spans.values()} == {turn.trace_id}
        for span in spans.values():
            assert turn.start_time_unix_nano <= span.start_time_unix_nano
            assert span.start_time_unix_nano <= span.end_time_unix_nano <= turn.end_time_unix_nano
        asked = values(spans["model request"])
        assert asked.pop("chat.seconds_to_first_token") >= 0
        assert len(asked.pop("chat.turn")) == len(asked.pop("chat.session")) == 8
        assert asked == {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "fake",
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 5,
            "chat.outcome": "done",
        }
        job = client.submit(**talk, message="[[401]]", api_name="/chat_events")
        assert job.result()["status"] == "failed"
        failed = collector.turn()["turn"]
        assert (failed.status.code, values(failed)["error.type"]) == (2, "model_auth_failed")
        client.predict(**talk, message="Last words", api_name="/chat")
        assert app.end() == 0
        assert collector.turn().keys() == {"turn", *spans}  # also when the app ends at once
        assert collector.services == {"role-chat"}
        for told in (talk["user_id"], talk["session_id"], "secret", "words"):
            assert told.encode() not in collector.received


def test_a_collector_that_is_away_holds_nobody_up(tmp_path: Path, model: dict[str, str]) -> None:
    settings = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with running_app(tmp_path, REDIS_URL="memory://", **settings, **model) as app:
        with connected(app) as client:
            assert client.predict(**start(client), message="Hi", api_name="/chat") == "You said: Hi"
        told = time.monotonic()
        assert app.end() == 0
        assert time.monotonic() - told < LONGEST_END_SECONDS
