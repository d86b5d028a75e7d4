"""A many-role AI chat: `python app.py` serves it; `demo` is the page and `app` what it is mounted on."""

import gc
import os
import signal
import sys
import tempfile

# SIGHUP is a closed terminal; what is ignored, like that by nohup, stays so.
_ENDINGS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN
]

if __name__ == "__main__":
    # Imports take seconds, in which there is nothing to save yet, and traces of an end are of no use.
    for _ending in _ENDINGS:
        signal.signal(_ending, lambda *_: os._exit(0))

# What is imported stays: to look through it in vain is a sixth of the start.
gc.disable()

# Before Gradio is imported: it would phone home, and fail in a directory that somebody else has made.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
_usual = os.path.join(tempfile.gettempdir(), "gradio")
if os.path.exists(_usual) and not os.access(_usual, os.W_OK):
    os.environ.setdefault("GRADIO_TEMP_DIR", tempfile.mkdtemp(prefix="gradio-"))

from chat_core import ChatService, ConfigError, Settings  # noqa: E402


def build_service() -> ChatService:
    """The service that the environment describes, not opened yet. Mistakes end the program, all at once."""
    try:
        return ChatService(Settings.load())
    except ConfigError as error:
        sys.stderr.write("\n  ".join(["The configuration has mistakes:", *error.problems]) + "\n")
        raise SystemExit(2) from None


service = build_service()

# Gradio takes seconds to import: mistakes in the configuration are told before.
from chat_ui import build_ui  # noqa: E402
from chat_ui.logs import start_logging  # noqa: E402
from chat_ui.server import Server, create_app  # noqa: E402

demo = build_ui(service)
app = create_app(service, demo)
gc.freeze()
gc.enable()


def _end(*_: object) -> None:
    """Ends the program without a failure, and undisturbed by whoever is impatient."""
    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    sys.exit(0)


def main() -> None:
    """Serves until Ctrl+C, SIGTERM or SIGHUP; running replies are saved before it ends."""
    start_logging(service.settings.log_level, service.settings.log_format)
    # Once everything is closed uvicorn passes on the signal that ended it.
    for ending in _ENDINGS:
        signal.signal(ending, _end)
    if hasattr(signal, "SIGHUP") and signal.SIGHUP in _ENDINGS:  # which uvicorn does not know
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    Server(app, service).run()


if __name__ == "__main__":
    main()
