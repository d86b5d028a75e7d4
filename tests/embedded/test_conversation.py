"""The app's core as somebody gets it who has set nothing: a real store, a real model, no network."""

from pathlib import Path

from chat_core import ChatService, Settings, TurnEnd
from chat_core.embedded.valkey import EmbeddedValkey

from .conftest import client, wait_until_gone

QUESTIONS = ("What is the capital of France?", "And of Italy?", "And of Spain?")


async def test_a_conversation_over_nothing_but_defaults_is_there_when_it_is_opened_again(
    tmp_path: Path,
) -> None:
    settings = Settings.load({"DATA_DIR": str(tmp_path)}, env_file=None)
    async with ChatService(settings) as service:
        assert service.notices == ("embedded_model",)
        assert await service.health() == (True, True)
        user, session = await service.start_session()
        for message in QUESTIONS:
            turn_id = await service.start_turn(user, session.id, message)
            *pieces, end = [event async for event in service.follow(user, session.id, turn_id)]
            assert isinstance(end, TurnEnd)
            assert end.error is None
            assert end.message is not None
            assert end.message.content == "".join(piece.text for piece in pieces) != ""
            assert end.usage is not None
            assert end.usage.completion_tokens > 0
        said = await service.history(user, session.id)
        server = EmbeddedValkey(tmp_path)
        with client(server) as redis:
            pid = int(redis.info("server")["process_id"])
    wait_until_gone(pid)
    async with ChatService(settings) as service:
        assert [found.id for found in await service.sessions(user)] == [session.id]
        found = await service.session(user, session.id)
        assert (found.title, found.messages, found.model) == (QUESTIONS[0], 6, "SmolLM2-135M-Instruct")
        assert await service.history(user, session.id) == said
        assert [message.role for message in said.items] == ["user", "assistant"] * 3
