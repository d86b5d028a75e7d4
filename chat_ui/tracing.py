"""Traces for OpenTelemetry: of each turn how long the store and the model took. Never what was said, nor
whole ids.

Only what is recorded here is sent: FastAPI's own spans would have the addresses of requests, with their ids.
"""

import threading
from collections.abc import Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from chat_core.turns import Step

_CLOSE_SECONDS = 2.0
_NANOSECONDS = 1_000_000_000
_SERVICE = "role-chat"

# As the conventions of OpenTelemetry call what they have a name for.
_ATTRIBUTES = {
    "turn": "chat.turn",
    "session": "chat.session",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "cost": "chat.cost",
    "seconds_to_first_token": "chat.seconds_to_first_token",
    "outcome": "chat.outcome",
    "error": "error.type",
}


class Tracing:
    """Sends traces to where OTEL_EXPORTER_OTLP_ENDPOINT says, in a thread of its own, until it is closed."""

    def __init__(self) -> None:
        resource = Resource.create()  # with OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: _SERVICE}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("chat")

    def record(self, steps: Sequence[Step]) -> None:
        """A turn that is saved, by the steps that it took."""
        began = min(step.began for step in steps)
        ended = max(step.ended for step in steps)
        # A turn is what its first reply is; where several reply, each has a step of its own.
        first = next((step.facts for step in steps if step.facts), {})
        turn = self._tracer.start_span("turn", start_time=_time(began), attributes=_attributes(first))
        for step in steps:
            span = self._tracer.start_span(
                step.name,
                context=set_span_in_context(turn),
                start_time=_time(step.began),
                attributes=_attributes(step.facts),
            )
            _note_failure(span, step.facts)
            span.end(_time(step.ended))
        _note_failure(turn, first)
        turn.end(_time(ended))

    def close(self) -> None:
        """Sends what is left, unless that takes long."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _time(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)


def _attributes(facts: Any) -> dict[str, Any]:
    return {name: facts[fact] for fact, name in _ATTRIBUTES.items() if facts.get(fact) not in (None, "")}


def _note_failure(span: Any, facts: Any) -> None:
    if facts.get("outcome") == "failed":
        span.set_status(Status(StatusCode.ERROR, facts["error"]))
