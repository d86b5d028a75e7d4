"""One of the apps of a storm: does what each line of its input says, and answers with a line.

Its arguments: a socket, a user, a session, a seed. A line is {"do": a method of ChatService, and
its arguments}, the answer {"result"} or {"refused": the error's code}.
"""

import asyncio
import json
import random
import sys
from collections.abc import AsyncGenerator, Sequence

from redis.asyncio import Redis

from chat_core import ChatError, ChatService, Sampling, Settings, Usage
from chat_core.context import PromptMessage
from chat_core.errors import ModelUnreachable
from chat_core.models import Piece


class Talker:
    """Answers in a few pieces, at times slowly and at times not at all."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[Piece | Usage, None]:
        if self._random.random() < 0.1:
            raise ModelUnreachable()
        for word in ("One, ", "two, ", "three."):
            yield Piece("text", word)
            await asyncio.sleep(self._random.choice([0, 0.005, 0.05]))

    async def aclose(self) -> None:
        pass


async def main(socket: str, user: str, session: str, seed: str) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with (
        Redis.from_url(f"unix://{socket}", decode_responses=True) as redis,
        ChatService(
            Settings(
                rate_limit="",
                max_stored_messages=0,
                max_replies_per_user=0,
                memory="off",
                title_model="off",
            ),
            redis=redis,
            model=Talker(int(seed)),
        ) as service,
    ):
        async for line in lines:
            arguments = json.loads(line)
            method = getattr(service, arguments.pop("do"))
            try:
                answer = {"result": await method(user, session, **arguments)}
            except ChatError as error:
                answer = {"refused": error.code}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
