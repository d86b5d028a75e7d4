"""Models: what answers.

`base` says what a model is; `openai` is one over an OpenAI-compatible server, which `transport` reaches,
whose stream `sse` parses, whose silence `deadline` ends and whose errors `failures` types; what it is asked
for `pictures`, and answers, has a module of its own. `llama` is such a server of our own, run by the
script `llama_server`, whose replies `repetition` ends when they go round in circles. `catalog` says which
models there are and opens what answers, which `router` finds for each request.
"""

from .base import AnsweredBy, ChatModel, DrawnPicture, Finish, NoModel, Piece, StreamItem
from .catalog import CatalogOptions, ModelCatalog
from .openai import OpenAIChatModel
from .router import ModelOffer, PictureOffer

__all__ = [
    "AnsweredBy",
    "CatalogOptions",
    "ChatModel",
    "DrawnPicture",
    "Finish",
    "ModelCatalog",
    "ModelOffer",
    "NoModel",
    "OpenAIChatModel",
    "PictureOffer",
    "Piece",
    "StreamItem",
]
