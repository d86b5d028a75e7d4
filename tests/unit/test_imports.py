"""Who may import whom: the layers of the core, and the borders that foreign packages do not cross."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# From the lowest: a room (a package or a module) imports only from rooms below, through their `__init__`.
LAYERS = [
    {"errors", "decoder", "pictures", "tasks", "slices"},
    {"messages"},
    {"validation", "passwords", "providers", "store_address"},
    {"variables"},
    {"settings", "roles", "context", "images", "exchange"},
    {"role_import", "sharing", "foreign"},
    {"legacy"},
    {"archive"},
    {"storage"},
    {"models"},
    {"turns"},
    {"service", "hash_password", "admin"},
    {""},  # the package itself
]
RANK = {room: rank for rank, layer in enumerate(LAYERS) for room in layer}

# Foreign package -> the only files, or directories, that may import it.
BORDERS = {
    "openai": {"chat_core/models/openai.py", "chat_core/models/transport.py"},
    "httpx2": {"chat_core/models/openai.py", "chat_core/models/transport.py"},
    "aiohttp": {"chat_core/models/transport.py"},
    "redis": {"chat_core/storage", "chat_core/turns/writer.py", "chat_core/service/chat_service.py"},
    "mcp": {"chat_ui/mcp_api.py"},
    "opentelemetry": {"chat_ui/tracing.py"},
    "authlib": {"chat_ui/sign_in.py"},
    "PIL": {"chat_core/decoder.py"},
    "xllamacpp": {"chat_core/models/llama_server.py"},
    "math_core": {"chat_ui/mathml.py"},
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


def room(name: str) -> str:
    return name.partition(".")[0]


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


MODULES = {module(file) for file in CORE}


def core_imports(file: Path) -> set[str]:
    """The modules of chat_core, by their names inside it, that a file imports."""
    inside = (name.partition(".")[2] for name in imports(file) if name.split(".")[0] == "chat_core")
    # Of "errors.ChatError" the module is "errors"; of "storage.keys" it is "storage.keys".
    return {name if name in MODULES else name.rpartition(".")[0] for name in inside}


@pytest.mark.parametrize("file", CORE, ids=place)
def test_imports_inside_the_core_point_one_way(file):
    own = room(module(file))
    assert own in RANK, "a new room needs a layer"
    others = {room(name) for name in core_imports(file)} - {own}
    assert {other for other in others if RANK[other] >= RANK[own]} == set()


@pytest.mark.parametrize("file", CORE, ids=place)
def test_a_room_is_entered_through_its_door(file):
    others = {name for name in core_imports(file) if room(name) != room(module(file))}
    assert {name for name in others if "." in name} <= HANDED_ON


# Modules that a room hands on as such.
HANDED_ON = {"storage.keys"}


@pytest.mark.parametrize("name", sorted(name for name in RANK if name))
def test_no_two_modules_of_a_room_need_each_other(name):
    files = {module(file): file for file in CORE if room(module(file)) == name}
    needs = {inside: core_imports(file) & files.keys() - {inside} for inside, file in files.items()}
    for inside, others in needs.items():
        if inside != name:  # the door, which opens to all of them
            assert {other for other in others if inside in needs[other]} == set()


@pytest.mark.parametrize("file", SOURCES, ids=place)
def test_foreign_packages_stay_behind_their_borders(file):
    for name in imports(file):
        allowed = BORDERS.get(name.split(".")[0])
        if allowed is not None:
            parents = {parent.as_posix() for parent in file.relative_to(ROOT).parents}
            assert {place(file), *parents} & allowed, f"{place(file)} imports {name}"


@pytest.mark.parametrize("package", sorted(BORDERS))
def test_every_border_has_somebody_behind_it(package):
    crossing = [file for file in SOURCES if any(name.split(".")[0] == package for name in imports(file))]
    assert crossing


def test_the_core_loads_without_the_interface_and_its_packages():
    unwanted = {"gradio", "fastapi", "uvicorn", "chat_ui", "fakeredis"}
    program = f"import sys, chat_core; print(*{unwanted} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == []


def test_the_command_line_starts_without_what_takes_long_to_import():
    unwanted = {"gradio", "fastapi", "openai", "redis"}
    program = f"import sys, chat_ui.cli; print(*{unwanted} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    assert done.stdout.split() == []
