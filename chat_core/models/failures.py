"""From what a provider answers when it fails to a ModelError with the provider's own reason."""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from ..errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelError,
    ModelFiltered,
    ModelNotFound,
    ModelQuotaExhausted,
    ModelRateLimited,
    ModelRequestRejected,
    ModelServerFailed,
    ModelTimedOut,
)


def model_error(
    status: int | None, body: object, headers: Mapping[str, str] | None = None, *, secret: str = ""
) -> ModelError:
    """The error that an HTTP status (None: unknown) and the body of an answer tell of. The `secret`, and what
    looks like one, is taken out of the reason."""
    code, reason = _code_and_reason(body)
    reason = _without_secrets(reason, secret)
    if _CONTEXT_TOO_LONG.search(f"{code} {reason}"):
        return ContextTooLong(reason)
    if _QUOTA_EXHAUSTED.search(f"{code} {reason}"):
        return ModelQuotaExhausted(reason)
    if _FILTERED.search(code):
        return ModelFiltered(reason)
    return _error_class(status)(reason, retry_after=retry_after(headers or {}))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` in either of its forms (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _error_class(status: int | None) -> type[ModelError]:
    by_status: dict[int, type[ModelError]] = {
        401: ModelAuthFailed,
        402: ModelQuotaExhausted,
        403: ModelAuthFailed,
        404: ModelNotFound,
        408: ModelTimedOut,
        429: ModelRateLimited,
        504: ModelTimedOut,
    }
    if status in by_status:
        return by_status[status]
    if status is not None and 400 <= status < 500:
        return ModelRequestRejected
    return ModelServerFailed


_CONTEXT_TOO_LONG = re.compile(
    r"(?i)context_length_exceeded|exceed_context_size|maximum context|context (length|window|size)"
    r"|prompt is too long"
)
# Not every "quota" is one: some providers call their requests a minute so.
_QUOTA_EXHAUSTED = re.compile(
    r"(?i)insufficient[ _](quota|balance|credits?|funds)|billing_(hard_limit_reached|not_active)"
    r"|credit balance is too low"
)
_FILTERED = re.compile(r"(?i)moderation_blocked|content_policy|content_filter|SensitiveContentDetected")
_SECRETS = re.compile(r"(?i)\b(sk|hf|gsk|xai|key)[-_][\w*.-]{6,}|bearer\s+\S+|://[^/\s@]+@")
_REASON_CHARS = 500


def _code_and_reason(body: object) -> tuple[str, str]:
    if isinstance(body, list) and body:  # so does Gemini wrap its errors
        body = body[0]
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            code = f"{inner.get('code') or ''} {inner.get('type') or ''}".strip()
            return code, str(inner.get("message") or inner.get("detail") or "")
        return "", str(inner)
    text = str(body or "").lstrip()
    return "", "" if text.startswith("<") else text  # a proxy's HTML page is no reason


def _without_secrets(reason: str, secret: str) -> str:
    if secret:
        reason = reason.replace(secret, "***")
    reason = _SECRETS.sub("***", " ".join(reason.split()))[:_REASON_CHARS]
    return reason.encode(errors="replace").decode()  # JSON may hold halves of characters, the store may not
