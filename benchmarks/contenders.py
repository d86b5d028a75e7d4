"""Who is compared: how each server is started, and what stands in front of it."""

import hashlib
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.running import running_app

from .clients import ChainlitClient, Client, EventsClient, PageClient, RelayClient
from .processes import Server, free_port, started

HERE = Path(__file__).parent
RIVALS = HERE / "rivals"
VENVS = HERE / ".venvs"

# Everything on (the embedded Valkey too), and nothing in the way of a crowd that comes from one address.
APP_SETTINGS = {
    "OPENAI_API_KEY": "none",
    "OPENAI_MODEL": "scripted",
    "RATE_LIMIT": "",
    "RATE_LIMIT_ADDRESS": "",
    "MAX_CONCURRENT_REPLIES": "400",
    "MAX_REPLIES_PER_ADDRESS": "0",
    "MAX_CALLS_PER_ADDRESS": "0",
    "MAX_STORED_MESSAGES": "0",
    "PYTHONWARNINGS": "",  # the tests show them
}


@dataclass(frozen=True)
class Contender:
    """A column of the table."""

    name: str
    server: str
    client: Callable[[aiohttp.ClientSession, str], Client]


RELAY, CHAT_INTERFACE, CHAINLIT = "relay", "gr.ChatInterface", "Chainlit"
PAGE, EVENTS = "our page", "our /chat_events"
CONTENDERS = [
    Contender(RELAY, "relay", RelayClient),
    Contender(CHAT_INTERFACE, "chat_interface", PageClient),
    Contender(CHAINLIT, "chainlit", ChainlitClient),
    Contender(PAGE, "app", PageClient),
    Contender(EVENTS, "app", EventsClient),
]


@contextmanager
def serving(server: str, directory: Path, model_url: str) -> Iterator[Server]:
    """The server, ready, over the scripted model; what it writes lies in the directory."""
    settings = {"OPENAI_BASE_URL": model_url}
    if server == "app":
        with running_app(directory, **settings, **APP_SETTINGS) as app:
            yield Server(app.process.pid, app.url)
        return
    port = free_port()
    python = python_of(server)
    command = [str(python), str(RIVALS / f"{server}.py"), str(port)]
    if server == "chainlit":
        app_file = str(RIVALS / "chainlit_app.py")
        command = [str(python), "-m", "chainlit", "run", app_file, "--headless", "--port", str(port)]
    settings["GRADIO_ANALYTICS_ENABLED"] = "False"
    with started(command, directory, f"http://127.0.0.1:{port}", **settings) as running:
        yield running


def python_of(rival: str) -> Path:
    """The Python of the rival's own environment, which is made when it is missing or its requirements have
    changed."""
    requirements = RIVALS / f"requirements-{rival}.txt"
    directory = VENVS / rival
    python, stamp = directory / "bin" / "python", directory / "requirements"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing {rival} …", file=sys.stderr)
        venv.create(directory, clear=True, with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(requirements)], check=True)
        stamp.write_text(wanted)
    return python
