"""Models: what answers.

`base` says what a model is; `openai` is one over an OpenAI-compatible server, which `transport` reaches,
whose stream `sse` parses, whose silence `deadline` ends and whose errors `failures` types; `llama` is such a
server embedded in this process, whose replies `repetition` ends when they go round in circles. `catalog` says
which models there are and opens the one that answers: a new provider begins there.
"""

from .base import ChatModel, Finish, NoModel, Piece, StreamItem
from .catalog import ModelCatalog, ProviderConfig
from .openai import OpenAIChatModel

__all__ = [
    "ChatModel",
    "Finish",
    "ModelCatalog",
    "NoModel",
    "OpenAIChatModel",
    "Piece",
    "ProviderConfig",
    "StreamItem",
]
