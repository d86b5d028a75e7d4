"""Fifty people talk to a real app for a while, and things go wrong all the time.

python -m tests.faults.soak --minutes 5
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGUSR1

from redis.asyncio import Redis

from chat_core.storage.valkey import EmbeddedValkey
from tests.conftest import eventually, process_of, running_valkey
from tests.fake_openai import FakeOpenAI, echo, in_thread
from tests.running import RunningApp, running_app

from .callers import Caller, Json, callers
from .floods import memory_of
from .prober import probed
from .watching import MOST_STARVATION, connections_of, starvation_of, threads_of

PEOPLE = 50
WORDS_A_SECOND = 40
FREEZE_SECONDS = 3.0
FREEZE_EVERY_SECONDS = 25.0
COUNTED_APP = Path(__file__).parent / "counted_app.py"
SETTINGS = {
    "OPENAI_API_KEY": "none",
    "OPENAI_MODEL": "fake",
    "MEMORY": "off",  # a summary is written after the people have gone
    "RATE_LIMIT": "",
    "RATE_LIMIT_ADDRESS": "",
    "MAX_STORED_MESSAGES": "0",
    "STALL_SECONDS": "2",
    "PYTHONWARNINGS": "",
}
FAULTS = ["cut", "reset", "stall", "garbage", "failure", "html", "429", "500"]
# What may be said while the store is frozen, or to somebody whose last reply is not over yet.
REFUSALS = ("store does not answer", "still being written", "was said in this conversation meanwhile")


@dataclass
class Soaker:
    """Somebody who does one thing after another, and remembers what must be stored: all questions that were
    answered to the end, oldest first."""

    caller: Caller
    dice: random.Random
    done: Counter[str]
    answered: list[str] = field(default_factory=list)
    _names: "count[int]" = field(default_factory=count)

    async def live(self, until: float) -> None:
        """Does things until that time. Raises RuntimeError for a refusal that nobody would understand."""
        deeds = {
            self.talk: 12,
            self.be_failed: 3,
            self.stop: 2,
            self.vanish: 3,
            self.undo: 1,
            self.look: 3,
            self.begin_again: 1,
        }
        while time.monotonic() < until:
            (deed,) = self.dice.choices(list(deeds), list(deeds.values()))
            try:
                await deed()
                self.done[deed.__name__] += 1
            except RuntimeError as error:
                if not any(words in str(error) for words in REFUSALS):
                    raise
                self.done["refused"] += 1
            await asyncio.sleep(self.dice.random())

    async def talk(self) -> None:
        question = self._question(self.dice.randrange(5, 60))
        end = await self.caller.call("chat_events", message=question)
        if end["status"] == "done":
            self.answered.append(question)

    async def be_failed(self) -> None:
        end = await self.caller.call("chat_events", message=f"[[{self.dice.choice(FAULTS)}]] and more words")
        assert end["status"] == "failed", end

    async def stop(self) -> None:
        asking = asyncio.create_task(self.caller.call("chat_events", message=self._question(80)))
        await asyncio.sleep(0.5)
        try:
            await self.caller.call("stop")
        finally:
            await asyncio.gather(asking, return_exceptions=True)
        await asking

    async def vanish(self) -> None:
        """Goes away in the middle of a reply, and comes back for the rest."""
        question = self._question(40)
        events = self.caller.events("chat_events", message=question)
        async for event in events:
            if event["type"] == "text":
                break
        await events.aclose()
        end = await self.caller.call("resume")
        if end["status"] == "done":
            self.answered.append(question)

    async def undo(self) -> None:
        if self.answered:
            taken = (await self.caller.call("undo"))["message"]
            self.answered = [question for question in self.answered if question != taken]

    async def look(self) -> None:
        await self.check(await self.caller.history())
        await self.caller.call_bare("sessions", user_id=self.caller.conversation["user_id"])

    async def begin_again(self) -> None:
        old = self.caller.conversation
        answer = await self.caller.call_bare("start_chat", user_id=old["user_id"])
        self.caller.conversation = {**old, "session_id": answer["session_id"]}
        self.answered = []
        with suppress(RuntimeError):  # then it stays
            await self.caller.call_bare("delete_session", **old)

    async def check(self, messages: list[Json]) -> None:
        """What was answered is there, in order; replies follow questions; nothing is there twice."""
        ids = [message["id"] for message in messages]
        assert len(set(ids)) == len(ids), "a message is there twice"
        roles = [message["role"] for message in messages]
        assert ("assistant", "assistant") not in pairwise(roles), "two replies to one question"
        contents = [message["content"] for message in messages]
        place = 0
        for question in self.answered:
            place = contents.index(question, place)
            assert contents[place + 1] == f"You said: {question}"

    def _question(self, words: int) -> str:
        return " ".join([f"question{next(self._names)}", *["word"] * words])


@dataclass
class Soak:
    """What came of it."""

    done: Counter[str]
    megabytes: list[float]
    healthz_seconds: float
    starvation: float
    freezes: int

    @property
    def is_healthy(self) -> bool:
        """Whether the health check was quick, as far as the machine let it be."""
        return self.healthz_seconds < 0.1 or self.starvation > MOST_STARVATION

    @property
    def growth(self) -> float:
        """By how large a share the memory grew, after a third of the time."""
        third = len(self.megabytes) // 3
        warm = sum(self.megabytes[third : third + 5]) / 5
        return sum(self.megabytes[-5:]) / 5 / warm - 1


async def soak(directory: Path, seconds: float, seed: int) -> Soak:
    """Raises AssertionError when something was lost, doubled or left behind."""
    with (
        in_thread() as provider,
        running_valkey(directory / "store") as valkey,
        running_app(
            directory,
            program=COUNTED_APP,
            OPENAI_BASE_URL=provider.base_url,
            REDIS_URL=f"unix://{valkey.socket}",
            **SETTINGS,
        ) as app,
    ):
        provider.otherwise = lambda request: echo(request.said, WORDS_A_SECOND)
        done: Counter[str] = Counter()
        async with callers(app.url, 1) as (first,):
            await first.call("chat_events", message="hello")  # what is made once is there
        before = await counts(app)
        async with callers(app.url, PEOPLE) as people:
            soakers = [Soaker(person, random.Random(seed + n), done) for n, person in enumerate(people)]
            until = time.monotonic() + seconds
            with probed(f"{app.url}/healthz") as probes, starvation_of(app) as starved:
                async with asyncio.TaskGroup() as group:
                    weigh = group.create_task(_weigh(app, until))
                    freeze = group.create_task(_freeze(valkey, until))
                    for soaker in soakers:
                        group.create_task(soaker.live(until))
            await _check_upstream(provider)
            for soaker in soakers:
                await eventually(lambda s=soaker: _is_idle(s.caller), 15)  # type: ignore[misc]
                await soaker.check(await soaker.caller.history())
        await _check_keys(valkey)

        async def as_before() -> bool:
            return all(await _no_more(app, before))

        await eventually(as_before, 40)
        assert "Traceback" not in app.log, app.log
        frozen = freeze.result()
        return Soak(
            done,
            weigh.result(),
            probes.slowest(0.99, except_in=frozen),
            starved[0],
            len(frozen),
        )


async def _no_more(app: RunningApp, before: dict[str, int]) -> list[bool]:
    """Of each kind of thing, whether there are no more than before but for a few that come and go."""
    now = await counts(app)
    return [now[name] <= before[name] + 5 for name in before]


async def counts(app: RunningApp) -> dict[str, int]:
    """How many tasks, threads and connections of clients the app has."""
    seen = len(app.lines)
    app.process.send_signal(SIGUSR1)

    async def told() -> bool:
        return any(line.startswith("tasks: ") for line in app.lines[seen:])

    await eventually(told)
    tasks = next(int(line.split()[1]) for line in app.lines[seen:] if line.startswith("tasks: "))
    return {"tasks": tasks, "threads": threads_of(app), "connections": connections_of(app)}


async def _weigh(app: RunningApp, until: float) -> list[float]:
    megabytes = []
    while time.monotonic() < until:
        megabytes.append(memory_of(app))
        await asyncio.sleep(0.5)
    return megabytes


async def _freeze(valkey: EmbeddedValkey, until: float) -> list[tuple[float, float]]:
    """Freezes the store again and again; when."""
    frozen = []
    await asyncio.sleep(5)
    while time.monotonic() + FREEZE_SECONDS + 5 < until:
        process_of(valkey).send_signal(SIGSTOP)
        began = time.monotonic()
        await asyncio.sleep(FREEZE_SECONDS)
        process_of(valkey).send_signal(SIGCONT)
        frozen.append((began, time.monotonic() + 1))  # it has to catch up
        await asyncio.sleep(FREEZE_EVERY_SECONDS)
    return frozen


async def _check_upstream(provider: FakeOpenAI) -> None:
    """No request to the provider is under way any more."""

    def under_way() -> list[str]:
        return [request.said[:40] for request in provider.requests if not provider.is_over(request)]

    async def is_quiet() -> bool:
        return not under_way()

    with suppress(AssertionError):
        await eventually(is_quiet, 10)
    assert not under_way(), under_way()


async def _is_idle(caller: Caller) -> bool:
    sessions = (await caller.call_bare("sessions", user_id=caller.conversation["user_id"]))["sessions"]
    return not any(session["running"] for session in sessions)


async def _check_keys(valkey: EmbeddedValkey) -> None:
    async with Redis.from_url(f"unix://{valkey.socket}", decode_responses=True) as redis:
        for_ever = [key async for key in redis.scan_iter(count=1000) if await redis.ttl(key) == -1]
        assert not for_ever, f"kept for ever: {for_ever[:9]}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=5)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        came = asyncio.run(soak(Path(directory), options.minutes * 60, options.seed))
    print(
        f"{sum(came.done.values())} operations {dict(came.done)}, the store frozen {came.freezes} times.\n"
        f"Memory {came.megabytes[0]:.0f} to {came.megabytes[-1]:.0f} MB, {came.growth:+.1%} after warm-up.\n"
        f"99 % of /healthz within {came.healthz_seconds * 1000:.0f} ms "
        f"(of its time the machine kept it waiting for {came.starvation:.0%})."
    )
    assert came.growth < 0.2
    assert came.is_healthy


if __name__ == "__main__":
    main()
