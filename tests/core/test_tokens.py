"""How many tokens a user may spend in a day, as the service counts them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from chat_core import Usage
from chat_core.errors import ModelServerFailed, TokensUsedUp
from chat_core.models import Piece, StreamItem
from tests.scripted_model import ScriptedModel

from .conftest import Chat, OpenService


async def test_tokens_are_counted_as_the_provider_counts_them_until_the_day_is_over(
    open_service: OpenService, model: ScriptedModel
) -> None:
    service = await open_service(daily_tokens=100)
    chat = Chat(service, model, "u_ada", (await service.start_session("u_ada"))[1].id)
    turn_id, call = await chat.ask("Why?")
    call.say("Because.")
    call.count(Usage(prompt_tokens=70, completion_tokens=20, total_tokens=90))
    call.end()
    await chat.read(turn_id)
    left = service.tokens_nearly_used_up("u_ada")
    assert left is not None
    assert (left.left, left.limit) == (10, 100)
    await chat.ask("How?")
    await chat.service.stop("u_ada", chat.id)  # of which the provider sends no count
    for other in (service, service.temporary):
        _, session = await other.start_session("u_ada")
        with pytest.raises(TokensUsedUp):
            await other.start_turn("u_ada", session.id, "And?")
    with pytest.raises(TokensUsedUp):
        await service.regenerate("u_ada", chat.id)
    assert len((await service.history("u_ada", chat.id)).items) == 3
    await Chat(service, model, "u_bob", (await service.start_session("u_bob"))[1].id).ask("Why?")


async def test_a_reply_that_the_provider_refused_has_cost_nothing(
    open_service: OpenService, model: ScriptedModel
) -> None:
    service = await open_service(daily_tokens=1)
    chat = Chat(service, model, "u_ada", (await service.start_session("u_ada"))[1].id)
    for _ in range(2):
        turn_id, call = await chat.ask("Why?")
        call.fail(ModelServerFailed("Overloaded"))
        assert (await chat.read(turn_id))[1].status == "failed"


async def test_tokens_of_replies_that_are_not_kept_count_too(
    open_service: OpenService, model: ScriptedModel
) -> None:
    service = await open_service(daily_tokens=100)

    def complete(user_id: str = "u_ada") -> AsyncGenerator[StreamItem, None]:
        return service.complete(user_id, [{"role": "user", "content": "Why?"}])

    reader = asyncio.create_task(anext(complete()))
    call = await model.next_call()
    call.fail(ModelServerFailed("Overloaded"))
    with pytest.raises(ModelServerFailed):
        await reader
    assert service.tokens_nearly_used_up("u_ada") is None
    async with aclosing(complete()) as items:
        reader = asyncio.create_task(anext(items))
        call = await model.next_call()
        call.say("Because.")
        assert await reader == Piece("text", "Because.")
        call.count(Usage(total_tokens=100))
        call.end()
        assert [item async for item in items] == [Usage(total_tokens=100)]
    with pytest.raises(TokensUsedUp):
        await anext(complete())
