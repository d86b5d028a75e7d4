"""TurnReport: what an operator is told of a reply that has ended. Never what was said, nor whole ids."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from ..messages import Status, TurnEnd, Usage
from .live import LiveTurn

log = logging.getLogger("chat_core.turn")

_SHOWN = 8


class TurnReport(NamedTuple):
    """Ids are shortened; `error` is the code of what failed, `cost` in US dollars where it is known. Seconds
    are counted from the request to the model."""

    turn: str
    session: str
    user: str
    provider: str
    model: str
    outcome: Status
    error: str
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds_to_first_token: float | None
    seconds: float

    def __str__(self) -> str:
        cost = "" if self.cost is None else f", ${self.cost:.4f}"
        first = self.seconds_to_first_token
        began = "" if first is None else f", began after {first:.2f} s"
        outcome = f"{self.outcome} ({self.error})" if self.error else self.outcome
        return (
            f"turn {self.turn}… of session {self.session}…, user {self.user}…: {outcome} by "
            f"{self.provider} {self.model}, {self.prompt_tokens}+{self.completion_tokens} tokens{cost}"
            f"{began}, {self.seconds:.2f} s"
        )


Reporter = Callable[[TurnReport], None]


def report_of(
    turn: LiveTurn,
    end: TurnEnd,
    usage: Usage | None,
    *,
    provider: str,
    model: str,
    first_token: float | None,
    seconds: float,
) -> TurnReport:
    """What is told of a reply of that turn."""
    used = usage or Usage()
    return TurnReport(
        turn=turn.id[:_SHOWN],
        session=turn.session_id[:_SHOWN],
        # A name that was chosen may be short.
        user=turn.user_id[: min(_SHOWN, len(turn.user_id) // 2)],
        provider=provider,
        model=model,
        outcome=end.status,
        error=end.error.code if end.error else "",
        prompt_tokens=used.prompt_tokens,
        completion_tokens=used.completion_tokens,
        cost=used.cost,
        seconds_to_first_token=first_token,
        seconds=seconds,
    )


def log_report(report: TurnReport) -> None:
    """One line, with the same as `facts` for whoever writes lines for programs."""
    level = logging.WARNING if report.outcome == "failed" else logging.INFO
    log.log(level, "%s", report, extra={"facts": report._asdict()})
