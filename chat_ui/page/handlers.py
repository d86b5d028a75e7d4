"""Handlers: what the methods that listeners call work with."""

from chat_core import ChatService

from .follower import Follower
from .renderer import Renderer
from .requests import RequestParser


class Handlers:
    """Its kinds have the methods, one for each intention of a person."""

    def __init__(
        self, service: ChatService, renderer: Renderer, parser: RequestParser, follower: Follower
    ) -> None:
        self._service = service
        self._renderer = renderer
        self._parse = parser.parse
        self._follower = follower
