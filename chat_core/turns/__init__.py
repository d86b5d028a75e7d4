"""A turn: one user message and the reply to it, from its start to its end.

`starter` begins it, `reply` reads the model into a `live` turn (`picture`, a picture that it makes), `writer`
writes all live turns to their `log`s in Redis, from where other processes follow them and which is what is
left when a process dies.
`continuation` joins a reply that goes on to what there is of it, `branch` keeps what an edit replaces.
Beside them (`beside`) `summarizer` keeps in short what the model is not sent any more, and `titler` finds a
title. `report` tells an operator of each reply.
"""

from .branch import store_branch
from .live import LiveTurn, Step, coalesce
from .log import TurnLog, TurnState
from .reply import Reply, ReplyOptions
from .report import Reporter, TurnReport, log_report
from .starter import ContinuedTurn, TurnLimits, TurnRequest, TurnStarter
from .summarizer import MemoryOptions, Summarizer
from .titler import TitleOptions, Titler
from .writer import TurnWriter

__all__ = [
    "ContinuedTurn",
    "LiveTurn",
    "MemoryOptions",
    "Reply",
    "ReplyOptions",
    "Reporter",
    "Step",
    "Summarizer",
    "TitleOptions",
    "Titler",
    "TurnLimits",
    "TurnLog",
    "TurnReport",
    "TurnRequest",
    "TurnStarter",
    "TurnState",
    "TurnWriter",
    "coalesce",
    "log_report",
    "store_branch",
]
