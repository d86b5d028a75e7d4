"""An app of its own that talks without an end, to be killed. Its arguments: a socket, a user, a session; with
"on" after them it goes on with the last reply, with roles these talk side by side.

Every word is the moment at which it was said, so that whoever finds the text knows what is missing.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Sequence

from redis.asyncio import Redis

from chat_core import ChatService, Sampling, Settings, Usage
from chat_core.context import PromptMessage
from chat_core.models import Piece


class Talker:
    def __init__(self) -> None:
        self.said = ""

    async def stream(
        self, messages: Sequence[PromptMessage], *, model: str, sampling: Sampling
    ) -> AsyncGenerator[Piece | Usage, None]:
        while True:
            word = f"{time.monotonic():.3f} "
            self.said += word
            yield Piece("text", word)
            await asyncio.sleep(0.01)

    async def aclose(self) -> None:
        pass


async def main(socket: str, user: str, session: str, *more: str) -> None:
    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
    talker = Talker()
    async with (
        Redis.from_url(f"unix://{socket}", decode_responses=True) as redis,
        ChatService(Settings(), redis=redis, model=talker, lease_seconds=0.5) as service,
    ):
        if more == ("on",):
            turn_id, _ = await service.continue_reply(user, session)
        elif more:
            turn_id = await service.start_panel(user, session, "Talk!", more)
        else:
            turn_id = await service.start_turn(user, session, "Talk!")
        print(turn_id, flush=True)
        await told_to_end.wait()
    print(talker.said, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
