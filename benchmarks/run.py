"""Measures our app beside its rivals and writes RESULTS.md.

python -m benchmarks.run [--quick] [--only NAME ...] [--skip-rivals]
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from . import load
from .contenders import CONTENDERS, HERE, Contender, serving
from .processes import Server
from .report import Results, machine
from .stage import HTTP, Model, Stage, scripted_model

# No measure takes longer, whatever a server does.
MEASURE_SECONDS = 120


async def measure(
    contender: Contender, server: Server, model: Model, results: Results, args: argparse.Namespace
) -> None:
    """Everything that is wanted of one contender."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, **HTTP) as http:
        stage = Stage(contender, server, model, http, server.memory_bytes())
        for name, one in load.MEASURES.items():
            if name not in args.only:
                continue
            began = time.monotonic()
            try:
                async with asyncio.timeout(MEASURE_SECONDS):
                    await one(stage, results, quick=args.quick)
            except Exception as error:  # the other measures are still worth something
                results.troubles.append(f"{contender.name}, {name}: {error!r}")
            print(f"{contender.name}: {name} ({time.monotonic() - began:.0f} s)", file=sys.stderr)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = list(load.MEASURES)
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller: a smoke test")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--skip-rivals", action="store_true", help="our app alone")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    results = Results([contender.name for contender in CONTENDERS])
    with scripted_model() as model:
        for contender in CONTENDERS:
            if args.skip_rivals and contender.server != "app":
                continue
            with (
                tempfile.TemporaryDirectory(prefix="bench-") as directory,
                serving(contender.server, Path(directory), model.url) as server,
            ):
                asyncio.run(measure(contender, server, model, results, args))
    table = results.table()
    print(table)
    print("\n".join(results.troubles), file=sys.stderr)
    if not args.skip_rivals and len(args.only) == len(load.MEASURES):
        (HERE / "RESULTS.md").write_text(f"# Results\n\n{machine()}\n\n{table}\n", encoding="utf-8")
    return bool(results.troubles)


if __name__ == "__main__":
    sys.exit(main())
