"""`python -m chat_core.storage.repair DATA_DIR` makes damaged data of the embedded Valkey readable again."""

import sys
from pathlib import Path

from ..errors import StoreUnavailable
from .valkey import EmbeddedValkey


def main(arguments: list[str]) -> str:
    """What was done. Exits with a sentence where nothing could be."""
    if len(arguments) != 1:
        sys.exit("Say where the data lie: chat_core.storage.repair DATA_DIR")
    try:
        copy, said = EmbeddedValkey(Path(arguments[0])).repair()
    except StoreUnavailable as error:
        sys.exit(f"Nothing was repaired: {error.reason}.")
    return f"{said.strip()}\nWhat there was before is in {copy}; an app that runs takes the rest by itself."


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]) + "\n")
