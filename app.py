"""A many-role AI chat: `python app.py` serves it; `demo` is the page and `app` what it is mounted on."""

import gc
import os
import signal
import sys
import tempfile
from contextlib import suppress

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


def main() -> None:
    """Serves until Ctrl+C, SIGTERM or SIGHUP; running replies are saved before it ends."""
    start_logging(service.settings.log_level, service.settings.log_format)
    # Once everything is closed uvicorn passes on the signal that ended it, which is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The terminal was closed; whoever started the app with nohup wants it to go on.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    with suppress(KeyboardInterrupt):
        Server(app, service).run()


if __name__ == "__main__":
    main()
