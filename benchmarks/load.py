"""Measures of a server under people: what they cost it, and how long they wait. Each takes a stage and adds
its figures to the results. Rates and counts are the same for every contender and every run."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .clients import Client, PageClient, Turn
from .processes import Server
from .report import Results, median, percentile
from .stage import Stage

MILLI = 1000
KIB, MIB = 2**10, 2**20


@dataclass
class Spent:
    """What a server used of the processors in a while."""

    cpu_seconds: float = 0.0
    seconds: float = 0.0


@asynccontextmanager
async def watched(server: Server) -> AsyncIterator[Spent]:
    """Fills in what the server spends meanwhile."""
    spent = Spent(-server.cpu_seconds(), -time.monotonic())
    yield spent
    spent.cpu_seconds += server.cpu_seconds()
    spent.seconds += time.monotonic()


async def streaming(stage: Stage, results: Results, *, quick: bool) -> None:
    """What a token costs, its share of Send and of the end included."""
    for people, rate, seconds in ((20, 30, 6), (10, 100, 4)):
        tokens = rate * (2 if quick else seconds)
        async with stage.people(people) as clients:
            await stage.ask_all(clients)
            async with watched(stage.server) as spent:
                turns = await stage.ask_all(clients, tokens, rate)
        what, total = f"{people} replies, {rate} tokens/s", people * tokens
        cost = spent.cpu_seconds * MILLI / total * 1000
        results.add("streaming", what, "CPU ms per 1,000 tokens", stage.contender.name, cost)
        size = sum(turn.bytes for turn in turns) / total
        results.add("streaming", what, "bytes a token", stage.contender.name, size)


async def turn(stage: Stage, results: Results, *, quick: bool) -> None:
    """What a turn of one token costs, from Send until it is stored; one at a time."""
    rounds = 5 if quick else 10
    async with stage.people(4) as clients:
        await stage.ask_all(clients)
        turns: list[Turn] = []
        async with watched(stage.server) as spent:
            for _ in range(rounds):
                for client in clients:
                    turns += await stage.ask_all([client])
    took = [turn.ended - turn.sent for turn in turns]
    name = stage.contender.name
    results.add("one turn", "one token", "CPU ms", name, spent.cpu_seconds * MILLI / len(turns))
    results.add("one turn", "until it is stored", "p50 ms", name, median(took) * MILLI)


async def burst(stage: Stage, results: Results, *, quick: bool) -> None:
    """Many press Send within one second: those whose tab the server knows, and those it sees first then."""
    for people in (60,) if quick else (60, 100):
        async with stage.people(people) as clients:
            await stage.ask_all(clients, within=2.0)
            await _burst(stage, results, clients, "known tabs")
            # A program is new with every call, and Chainlit's tab with its connection.
            tabs = [client.tab for client in clients if isinstance(client, PageClient)]
            for tab in tabs:
                tab.forget_session()
            if tabs:
                await _burst(stage, results, clients, "new tabs")


async def _burst(stage: Stage, results: Results, clients: list[Client], which: str) -> None:
    turns = await stage.ask_all(clients, tokens=5, rate=30)
    waits = [turn.first_token_seconds * MILLI for turn in turns]
    what = f"{len(clients)} send within 1 s, {which}: first token"
    results.add("burst", what, "p50 ms", stage.contender.name, median(waits))
    results.add("burst", what, "p99 ms", stage.contender.name, percentile(waits, 99))


async def crowd(stage: Stage, results: Results, *, quick: bool) -> None:
    """Many replies at once: how late their tokens come, and what memory they take."""
    people, rate, tokens = (50, 30, 90) if quick else (150, 30, 120)
    name = stage.contender.name
    async with stage.people(people) as clients:
        await stage.ask_all(clients, within=3.0)
        scripts = [stage.model.script(tokens, rate) for _ in clients]
        peak = asyncio.create_task(_peak_bytes(stage.server))
        async with watched(stage.server) as spent:
            turns = await stage.ask(clients, scripts, within=1.0)
        peak.cancel()
        peak_bytes = await peak
        lags = [lag * MILLI for turn in turns for lag in turn.lags(await stage.sent(turn.script))]
    what = f"{people} replies, {rate} tokens/s"
    results.add("crowd", f"{what}: lag", "p50 ms", name, median(lags))
    results.add("crowd", f"{what}: lag", "p99 ms", name, percentile(lags, 99))
    results.add("crowd", what, "CPU % of a core", name, spent.cpu_seconds / spent.seconds * 100)
    results.add("crowd", f"{what}: memory above idle", "MiB", name, (peak_bytes - stage.idle_bytes) / MIB)
    results.add("crowd", f"{what}: tokens that came", "", name, len(lags))


async def _peak_bytes(server: Server) -> int:
    """The most memory the server held, until this is cancelled."""
    most = 0
    try:
        while True:
            most = max(most, server.memory_bytes())
            await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        return most


async def opening(stage: Stage, results: Results, *, quick: bool) -> None:
    """Tabs that are opened within two seconds, until all that happens then is done."""
    tabs = 20 if quick else 50
    async with stage.people(2):
        pass  # what only the very first ones wait for

    async def one(open_: Callable[[], Awaitable[None]], after: float) -> float:
        await asyncio.sleep(after)
        began = time.monotonic()
        await open_()
        return time.monotonic() - began

    async with stage.people(tabs, opened=False) as clients, watched(stage.server) as spent:
        took = await asyncio.gather(*(one(c.open, n * 2.0 / tabs) for n, c in enumerate(clients)))
    name, what = stage.contender.name, f"{tabs} tabs within 2 s"
    results.add("opening", what, "CPU ms a tab", name, spent.cpu_seconds * MILLI / tabs)
    results.add("opening", what, "p50 ms", name, median(took) * MILLI)


async def length(stage: Stage, results: Results, *, quick: bool) -> None:
    """What a token costs in short and in long replies."""
    for tokens in (500, 2_500 if quick else 10_000):
        async with stage.people(1) as clients:
            await stage.ask_all(clients)
            async with watched(stage.server) as spent:
                await stage.ask_all(clients, tokens, rate=1000)
        cost = spent.cpu_seconds * MILLI / (len(clients) * tokens) * 1000
        what = f"a reply of {tokens:,} tokens, 1,000 a second"
        results.add("length", what, "CPU ms per 1,000 tokens", stage.contender.name, cost)
