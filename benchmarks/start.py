"""Measures of a server's first seconds, and of its idle ones."""

import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from .contenders import serving
from .load import MILLI, watched
from .report import Results
from .stage import Stage

IMPORTS = "import gradio, openai, redis.asyncio"


async def start(stage: Stage, results: Results, *, quick: bool) -> None:
    """From the start until it answers, and how much later than in the second turn the first token of the very
    first one comes."""
    name, server = stage.contender.name, stage.contender.server
    ready: list[float] = []
    first: list[float] = []
    second: list[float] = []
    for _ in range(1 if quick else 2):
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            began = time.monotonic()
            with serving(server, Path(directory), stage.model.url) as fresh:
                if server == "app":
                    async with stage.http.get(fresh.url + "/healthz", raise_for_status=True):
                        pass
                ready.append(time.monotonic() - began)
                async with replace(stage, server=fresh).people(1) as clients:
                    for waits in (first, second):
                        (turn,) = await stage.ask_all(clients, tokens=5, rate=30)
                        waits.append(turn.first_token_seconds * MILLI)
    results.add("start", "until it answers", "ms", name, min(ready) * MILLI)
    if server == "app":
        results.add("start", f"of which `{IMPORTS}`", "ms", name, _import_seconds() * MILLI)
    results.add("start", "first token of the first turn", "ms", name, min(first))
    results.add("start", "first token of the second turn", "ms", name, min(second))


def _import_seconds() -> float:
    """What Python takes to start and to import what the app is built on."""
    took = []
    for _ in range(2):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", IMPORTS], check=True)
        took.append(time.monotonic() - began)
    return min(took)


async def idle(stage: Stage, results: Results, *, quick: bool) -> None:
    """What a server costs when nothing happens, without and with open tabs."""
    seconds = 3 if quick else 5
    for tabs in (0, 50):
        async with stage.people(tabs):
            await asyncio.sleep(1)
            async with watched(stage.server) as spent:
                await asyncio.sleep(seconds)
        share = spent.cpu_seconds / spent.seconds * 100
        results.add("idle", f"{tabs} open tabs", "CPU % of a core", stage.contender.name, share)
