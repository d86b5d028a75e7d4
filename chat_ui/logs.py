"""Logs: one line for each thing, for people or for programs."""

import json
import logging
from asyncio import CancelledError
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """Each record as one JSON object: time, level, logger, message, the record's `facts` if it has any, and
    the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def start_logging(level: str, form: str) -> None:
    """Writes what is logged from now on to standard error; the `form` is "text" or "json"."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(_LINE))
    logging.basicConfig(level=level, handlers=[handler])
    # They would log a line for every reply, call, or malformed upload.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("mcp").setLevel(logging.ERROR)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Requests that are cut off as the app ends are no failures; their number is a line of its own."""
    return record.exc_info is None or not isinstance(record.exc_info[1], CancelledError)


_LINE = "%(levelname)s %(name)s: %(message)s"
