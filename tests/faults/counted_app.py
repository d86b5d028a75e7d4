"""`app.py`, which logs how many of its tasks are not over when it is sent SIGUSR1."""

import asyncio
import gc
import runpy
import signal
import sys
from pathlib import Path

APP = Path(__file__).parents[2] / "app.py"


def tell(*_: object) -> None:
    tasks = [thing for thing in gc.get_objects() if isinstance(thing, asyncio.Task)]
    sys.stderr.write(f"tasks: {sum(not task.done() for task in tasks)}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    sys.path.insert(0, str(APP.parent))
    runpy.run_path(str(APP), run_name="__main__")
