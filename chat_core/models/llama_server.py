"""The server of the embedded model: a script that serves a model file with llama.cpp, behind an
OpenAI-compatible loopback port. The only user of xllamacpp.

It runs in a process of its own, because llama.cpp cannot be stopped while it reads a prompt, which takes
seconds, and because what breaks it must not take the app along. From its input it reads one line of JSON,
{"file", "name", "api_key", "port": 0 for any}, and answers with one, {"url"} or {"error"}. It ends with its
input, so it never outlives who started it. It imports nothing of this package: the app waits for it.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

_WINDOW_TOKENS = 8192
# So small a model needs a short leash: few words, little chance, and a price on repeating words, without
# which it goes round in circles. A price on repeating phrases (DRY) makes it invent words instead, and miss
# the end. What this is worth is measured in tests/embedded/test_first_impression.py.
_LONGEST_REPLY_TOKENS = 512
_SAMPLING = {"temp": 0.2, "top_p": 0.9, "penalty_repeat": 1.1, "penalty_last_n": 256, "dry_multiplier": 0.0}
_REPLIES_AT_ONCE = 4
# How much of all prompts is read in one go: only in between can they be stopped, and other replies go on.
# Larger parts are no quicker.
_BATCH_TOKENS = 256


def serve(file: str, name: str, api_key: str, port: int) -> Any:
    """The running server. Raises RuntimeError for a file that cannot be loaded."""
    import xllamacpp

    options = xllamacpp.CommonParams()
    options.model.path = file
    options.model_alias = {name}
    options.api_keys = [api_key]
    options.port = port
    options.ui = False
    options.n_ctx = _WINDOW_TOKENS
    options.n_parallel = _REPLIES_AT_ONCE
    options.kv_unified = True  # the slots share one window: a lone reply may use all of it
    options.n_batch = options.n_ubatch = _BATCH_TOKENS
    options.n_predict = _LONGEST_REPLY_TOKENS
    for setting, value in _SAMPLING.items():
        setattr(options.sampling, setting, value)
    # One core is left to others: as long as a thread waits for its core, the rest spin and wait for it, and
    # on a machine that is busy with something else no reply ends.
    threads = max(1, (os.cpu_count() or 1) - 1)
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = threads
    options.verbosity = -1
    return xllamacpp.Server(options)


def main() -> None:
    """Serves until its input ends."""
    # They are meant for the app, which still needs the model to end its replies well.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # What is printed from now on goes to the log: nobody reads its output once it has answered.
    output = os.dup(1)
    os.dup2(2, 1)
    if not (line := sys.stdin.readline()):  # the app has ended
        return
    try:
        server = serve(**json.loads(line))
    except (RuntimeError, UnicodeError) as error:
        answer(output, {"error": str(error)})
        return
    answer(output, {"url": f"{server.listening_address}/v1"})
    sys.stdin.read()
    os._exit(0)  # to let go of the server would be to wait for what it is reading


def answer(output: int, said: dict[str, str]) -> None:
    with suppress(BrokenPipeError):  # the app has ended meanwhile
        os.write(output, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main()
