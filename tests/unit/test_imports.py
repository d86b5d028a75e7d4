"""Who may import whom: the layers of the core, and the borders that foreign packages do not cross."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A module imports from lower layers, and of its own layer only what NEIGHBOURS allows.
LAYERS = [
    {"errors"},
    {"messages"},
    {"keys", "settings", "roles"},
    {"context", "checks", "images"},
    {
        "llm",
        "store",
        "turns",
        "limits",
        "embedded",
        "embedded.llama",
        "embedded.valkey",
        "writer",
        "reply",
        "portable",
    },
    {"backends"},
    {"starter"},
    {"service"},
    {""},  # the package itself
]
NEIGHBOURS = {
    ("settings", "keys"),
    ("turns", "store"),
    ("writer", "turns"),
    ("reply", "llm"),
    ("reply", "turns"),
    ("portable", "turns"),
}
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}

# Foreign package -> the only files, or directories, that may import it.
BORDERS = {
    "openai": {"chat_core/llm.py"},
    "httpx2": {"chat_core/llm.py"},
    "redis": {
        "chat_core/store.py",
        "chat_core/turns.py",
        "chat_core/limits.py",
        "chat_core/writer.py",
        "chat_core/backends.py",
        "chat_core/service.py",
        "chat_core/embedded/valkey.py",
    },
    "PIL": {"chat_core/images.py"},
    "dotenv": {"chat_core/settings.py"},
    "gradio": {"chat_ui"},
    "fastapi": {"chat_ui"},
    "uvicorn": {"chat_ui"},
    "chat_ui": {"chat_ui", "app.py"},
}

CORE = sorted((ROOT / "chat_core").rglob("*.py"))
SOURCES = [ROOT / "app.py", *CORE, *sorted((ROOT / "chat_ui").rglob("*.py"))]


def place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def module(file: Path) -> str:
    """The module's name inside chat_core, empty for the package itself."""
    parts = file.relative_to(ROOT / "chat_core").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> Iterator[str]:
    """The absolute names of all that a file imports, wherever in it: `package.module.name`."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


def core_imports(file: Path) -> set[str]:
    """The modules of chat_core, by their names inside it, that a file imports."""
    inside = {name.partition(".")[2] for name in imports(file) if name.split(".")[0] == "chat_core"}
    # Of "keys.USER_ID" the module is "keys"; of "embedded.llama.EmbeddedLlama" it is "embedded.llama".
    heads = ({".".join(name.split(".")[:length]) for length in range(1, 4)} & RANK.keys() for name in inside)
    return {max(found, key=len, default="") for found in heads}


@pytest.mark.parametrize("file", CORE, ids=place)
def test_imports_inside_the_core_point_one_way(file):
    name = module(file)
    assert name in RANK, "a new module needs a layer"
    wrong = {
        other for other in core_imports(file) if RANK[other] >= RANK[name] and (name, other) not in NEIGHBOURS
    }
    assert wrong == set()


def test_every_allowance_among_neighbours_is_used():
    used = {(module(file), other) for file in CORE for other in core_imports(file)}
    assert used >= NEIGHBOURS


@pytest.mark.parametrize("file", SOURCES, ids=place)
def test_foreign_packages_stay_behind_their_borders(file):
    for name in imports(file):
        allowed = BORDERS.get(name.split(".")[0])
        if allowed is not None:
            assert {place(file), place(file).split("/")[0]} & allowed, f"{place(file)} imports {name}"


@pytest.mark.parametrize("package", sorted(BORDERS))
def test_every_border_has_somebody_behind_it(package):
    crossing = [file for file in SOURCES if any(name.split(".")[0] == package for name in imports(file))]
    assert crossing


def test_the_core_loads_without_the_interface_and_its_packages():
    unwanted = {"gradio", "fastapi", "uvicorn", "chat_ui", "fakeredis"}
    program = f"import sys, chat_core; print(*{unwanted} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == []
