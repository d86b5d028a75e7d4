"""`python -m chat_core.storage.repair DATA_DIR` makes damaged data of the embedded Valkey readable again.

They are what Valkey calls a multi-part append-only file: a base (RDB), the changes since then, and a manifest
that lists both (https://valkey.io/topics/persistence/).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import StoreUnavailable
from .valkey import EmbeddedValkey, number_of, server_program

_ENTRY = re.compile(r"file (\S+) seq \d+ type ([bhi])")


def repair(server: EmbeddedValkey) -> tuple[Path, str]:
    """Cuts each file of changes off where it cannot be read any more, and leaves out what cannot be read at
    all: the copy of all files that is made before, and what the server's own tools said. Raises
    StoreUnavailable when there is nothing to repair or the server runs. Blocks."""
    files = server.files
    if not files.is_dir():
        raise StoreUnavailable(f"{files.parent} holds no data")
    with server.lock():
        if server.is_listening():
            raise StoreUnavailable("the embedded Valkey runs, so nothing has to be repaired")
        copy = Path(tempfile.mkdtemp(prefix="damaged-", dir=files.parent))
        shutil.copytree(files, copy, dirs_exist_ok=True)
        mended = {name: _mend(files / name) for name in _names(server.manifest)}
        readable = [name for name, (is_readable, _) in mended.items() if is_readable]
        server.manifest.write_text("".join(map(_entry, readable)))
        if not readable:
            server.manifest.unlink()  # one without entries is damaged too
        return copy, "\n".join(said for _, said in mended.values())


def _names(manifest: Path) -> list[str]:
    """The files that together are the data, in their order: those that the manifest lists or, where it cannot
    be read, the latest base and all changes."""
    lines = manifest.read_text(errors="replace").splitlines() if manifest.exists() else []
    entries = [_ENTRY.fullmatch(line) for line in lines]
    if entries and all(entries):
        return [entry[1] for entry in entries if entry and entry[2] != "h"]  # history, about to be deleted
    bases, changes = (
        sorted((file.name for file in manifest.parent.glob(f"*.{kind}.*")), key=number_of)
        for kind in ("base", "incr")
    )
    return [*bases[-1:], *changes]


def _entry(name: str) -> str:
    kind = name.split(".")[-2]
    return f"file {name} seq {number_of(name)} type {kind[0]}\n"


def _mend(file: Path) -> tuple[bool, str]:
    """Whether it can be read now, and what the tool for it said."""
    # The server's program is that of its tools too, by the name under which it is called.
    tool = ["valkey-check-rdb"] if file.suffix == ".rdb" else ["valkey-check-aof", "--fix"]
    done = subprocess.run(
        [*tool, str(file)],
        executable=server_program(),
        input="y\n",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = (done.stdout + done.stderr).strip()
    if done.returncode:
        return False, f"{said}\n{file} is left out: it cannot be read."
    return True, said


def main(arguments: list[str]) -> str:
    """What was done. Exits with a sentence where nothing could be."""
    if len(arguments) != 1:
        sys.exit("Say where the data lie: chat_core.storage.repair DATA_DIR")
    try:
        copy, said = repair(EmbeddedValkey(Path(arguments[0])))
    except StoreUnavailable as error:
        sys.exit(f"Nothing was repaired: {error.reason}.")
    return f"{said}\nWhat there was before is in {copy}; an app that runs takes the rest by itself."


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]) + "\n")
