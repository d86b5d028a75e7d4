"""Measures our app beside its rivals and writes RESULTS.md.

`python -m benchmarks.run [--quick] [--only NAME ...] [--skip-rivals]`
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp

from . import browser, history, load, start
from .contenders import CHAINLIT, CHAT_INTERFACE, CONTENDERS, EVENTS, HERE, PAGE, RELAY, Contender, serving
from .processes import Server
from .report import Results, machine
from .stage import HTTP, Model, Stage, scripted_model

# No measure of one contender takes longer, whatever its server does.
MEASURE_SECONDS = 90

ALL = {RELAY, CHAT_INTERFACE, CHAINLIT, PAGE, EVENTS}
PAGES = {CHAT_INTERFACE, CHAINLIT, PAGE}


class Measure(NamedTuple):
    """What is measured, and of whom."""

    take: Callable[..., Awaitable[None]]
    contenders: set[str]


MEASURES = {
    "streaming": Measure(load.streaming, ALL),
    "turn": Measure(load.turn, ALL),
    "burst": Measure(load.burst, ALL),
    "crowd": Measure(load.crowd, ALL),
    "opening": Measure(load.opening, PAGES),
    "length": Measure(load.length, ALL),
    "history": Measure(history.stored_messages, {PAGE, EVENTS}),
    "visits": Measure(history.visits, {PAGE}),
    "start": Measure(start.start, ALL - {EVENTS}),
    "idle": Measure(start.idle, PAGES),
    "transfer": Measure(browser.transfer, PAGES),
    "browser": Measure(browser.frames, PAGES),
    "evenness": Measure(browser.evenness, PAGES),
}
# What a smoke test has no time for.
SLOW = {"start", "transfer", "browser", "evenness"}


async def measure(
    contender: Contender, server: Server, model: Model, results: Results, args: argparse.Namespace
) -> None:
    """Everything that is wanted of one contender."""
    # Servers close a connection that is idle for five seconds: one is not used again shortly before.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, **HTTP) as http:
        stage = Stage(contender, server, model, http, server.memory_bytes())
        for name in wanted(args):
            if contender.name not in MEASURES[name].contenders:
                continue
            began = time.monotonic()
            try:
                async with asyncio.timeout(MEASURE_SECONDS):
                    await MEASURES[name].take(stage, results, quick=args.quick)
            except Exception as error:  # the other measures are still worth something
                results.troubles.append(f"{contender.name}, {name}: {error!r}")
            print(f"{contender.name}: {name} ({time.monotonic() - began:.0f} s)", file=sys.stderr)


def wanted(args: argparse.Namespace) -> list[str]:
    """The names of the measures to take."""
    return args.only or [name for name in MEASURES if not (args.quick and name in SLOW)]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command was told."""
    names = list(MEASURES)
    parser = argparse.ArgumentParser(prog="benchmarks.run", description="Measures our app beside its rivals.")
    parser.add_argument(
        "--quick", action="store_true", help=f"a smoke test: smaller, without {', '.join(sorted(SLOW))}"
    )
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--skip-rivals", action="store_true", help="our app alone")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is wanted; 1 if anything went wrong."""
    args = parse(arguments)
    results = Results([contender.name for contender in CONTENDERS])
    with scripted_model() as model:
        for contender in CONTENDERS:
            if args.skip_rivals and contender.server != "app":
                continue
            try:
                with (
                    tempfile.TemporaryDirectory(prefix="bench-") as directory,
                    serving(contender.server, Path(directory), model.url) as server,
                ):
                    asyncio.run(measure(contender, server, model, results, args))
            except (OSError, RuntimeError, AssertionError, subprocess.CalledProcessError) as error:
                results.troubles.append(f"{contender.name} could not be measured: {error}")
    table = results.table()
    print(table)
    for trouble in results.troubles:
        print(trouble, file=sys.stderr)
    if wanted(args) == list(MEASURES) and not args.skip_rivals:
        (HERE / "RESULTS.md").write_text(f"# Results\n\n{machine()}\n\n{table}\n", encoding="utf-8")
    return bool(results.troubles)


if __name__ == "__main__":
    sys.exit(main())
