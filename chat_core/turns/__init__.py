"""A turn: one user message and the reply to it, from its start to its end.

`starter` begins it, `reply` reads the model into a `live` turn, `writer` writes all live turns to their
`log`s in Redis, from where other processes follow them and which is what is left when a process dies.
"""

from .live import LiveTurn, coalesce
from .log import TurnLog, TurnState
from .reply import Reply, ReplyOptions
from .starter import TurnLimits, TurnRequest, TurnStarter
from .writer import TurnWriter

__all__ = [
    "LiveTurn",
    "Reply",
    "ReplyOptions",
    "TurnLimits",
    "TurnLog",
    "TurnRequest",
    "TurnStarter",
    "TurnState",
    "TurnWriter",
    "coalesce",
]
