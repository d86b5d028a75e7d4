"""The whole error tree.

    ChatError
    ├── ConfigError            settings or a roles file are wrong
    ├── InvalidInput           what the caller sent cannot be used
    │   ├── MessageEmpty
    │   ├── MessageTooLong
    │   ├── UnknownRole
    │   ├── UnknownModel
    │   ├── TooManyRoles
    │   ├── TooManyNotes
    │   ├── TooManyShares
    │   ├── ImportRejected     the file is no conversation, or one that cannot be kept
    │   ├── ImageUnreadable
    │   ├── ImageTooLarge
    │   ├── TooManyImages
    │   ├── ImagesUnsupported
    │   ├── PicturesUnavailable
    │   └── PictureEditsUnsupported
    ├── SessionNotFound        no such session, or somebody else's
    ├── SessionUnreadable      the session's head is damaged
    ├── TurnNotFound           the session has no turn yet
    ├── MessageNotFound        the session holds no such message (any more)
    ├── NoteNotFound           no such note for this role
    ├── ShareNotFound          no such link, or not any more
    ├── SessionBusy            a reply is running in this session
    ├── SessionChanged         something was said since the caller looked
    ├── NothingToContinue      the last reply is whole
    ├── RateLimited            too many messages from this user
    ├── TokensUsedUp           the user's tokens for today are spent
    │   └── TokensUsedUpAtAddress
    ├── LoginFailed            no such name, or another password
    ├── TooManyLoginTries      passwords were tried too often
    ├── TooManyReplies         too many replies run in this process
    │   ├── TooManyRepliesOfUser
    │   └── TooManyRepliesFromAddress
    ├── ShuttingDown           the service takes no new turns
    ├── StoreUnavailable       Redis does not answer
    └── ModelError             the model did not answer as it should
        ├── ModelNotConfigured
        ├── ModelAuthFailed
        ├── ModelNotFound
        ├── ModelAddressWrong
        ├── ModelRateLimited
        ├── ModelQuotaExhausted
        ├── ModelUnreachable
        ├── ModelServerFailed
        ├── ModelRequestRejected
        ├── ModelTimedOut
        ├── ModelStalled
        ├── ModelDisconnected
        ├── ModelGarbled
        ├── ModelSilent
        ├── ModelFiltered
        ├── ModelOutOfLength
        ├── ModelRepeated
        ├── ModelPictureUnusable
        └── ContextTooLong

An error carries facts; whoever shows it finds the words. `code` names the kind on the wire and in
translations, `facts` holds what the words need (seconds, limits, the provider's own reason), and
`str(error)` is a plain English sentence for logs and the command line.
"""

from typing import ClassVar

Fact = str | int | float | None


class ChatError(Exception):
    """Base of everything this package raises on purpose."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str = "Something went wrong inside the app.", **facts: Fact) -> None:
        super().__init__(message)
        self.facts: dict[str, Fact] = facts


class ConfigError(ChatError):
    """One or more mistakes in the configuration; `problems` has a sentence for each."""

    code = "config"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class InvalidInput(ChatError):
    """A value the caller sent is malformed; `field` names it, `expected` says what it should be."""

    code = "invalid_input"

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field} must be {expected}.", field=field, expected=expected)


class MessageEmpty(InvalidInput):
    """The message has no visible character."""

    code = "message_empty"

    def __init__(self) -> None:
        super().__init__("message", "some text")


class MessageTooLong(InvalidInput):
    """The message has `length` characters where `limit` are allowed."""

    code = "message_too_long"

    def __init__(self, length: int, limit: int) -> None:
        super().__init__("message", f"at most {limit} characters, not {length}")
        self.facts |= {"length": length, "limit": limit}


class UnknownRole(InvalidInput):
    """No role has this key."""

    code = "unknown_role"

    def __init__(self, role: str, known: list[str]) -> None:
        super().__init__("role", "one of " + ", ".join(known))
        self.facts |= {"role": role[:64], "known": ", ".join(known)}


class UnknownModel(InvalidInput):
    """The model is not one of the configured ones."""

    code = "unknown_model"

    def __init__(self, model: str, known: list[str]) -> None:
        super().__init__("model", "one of " + ", ".join(known))
        self.facts |= {"model": model[:64], "known": ", ".join(known)}


class TooManyRoles(InvalidInput):
    """The user has `limit` roles of their own, as many as are kept."""

    code = "too_many_roles"

    def __init__(self, limit: int) -> None:
        super().__init__("role", f"one of at most {limit}")
        self.facts |= {"limit": limit}


class TooManyNotes(InvalidInput):
    """The user has `limit` notes, as many as are kept."""

    code = "too_many_notes"

    def __init__(self, limit: int) -> None:
        super().__init__("text", f"one of at most {limit} notes")
        self.facts |= {"limit": limit}


class TooManyShares(InvalidInput):
    """The user has `limit` links that hold already."""

    code = "too_many_shares"

    def __init__(self, limit: int) -> None:
        super().__init__("share", f"one of at most {limit}")
        self.facts |= {"limit": limit}


class ImportRejected(InvalidInput):
    """The file to import cannot be used; `field` names the place in it where something else is
    expected, like "messages.3.content" in the third message, or is "file"."""

    code = "import_rejected"


class ImageUnreadable(InvalidInput):
    """A file is no picture of the kinds that can be sent, or a broken one."""

    code = "image_unreadable"

    def __init__(self) -> None:
        super().__init__("images", "whole PNG, JPEG, WebP or GIF pictures")


class ImageTooLarge(InvalidInput):
    """A picture has more bytes or more pixels than are allowed."""

    code = "image_too_large"

    def __init__(self, megabytes: int, megapixels: int) -> None:
        super().__init__("images", f"at most {megabytes} MB and {megapixels} megapixels each")
        self.facts |= {"megabytes": megabytes, "megapixels": megapixels}


class TooManyImages(InvalidInput):
    """The message has `count` pictures where `limit` are allowed."""

    code = "too_many_images"

    def __init__(self, count: int, limit: int) -> None:
        super().__init__("images", f"at most {limit}, not {count}")
        self.facts |= {"count": count, "limit": limit}


class ImagesUnsupported(InvalidInput):
    """The model cannot see pictures; `known` are those that can."""

    code = "images_unsupported"

    def __init__(self, model: str, known: list[str]) -> None:
        super().__init__("images", f"left out for {model}, which cannot see them")
        self.facts |= {"model": model, "known": ", ".join(known) or "–"}


class PicturesUnavailable(InvalidInput):
    """A picture was asked for, and none of the providers makes any."""

    code = "pictures_unavailable"

    def __init__(self) -> None:
        super().__init__("message", "none for a picture, which no provider here can make")


class PictureEditsUnsupported(InvalidInput):
    """The model makes pictures and cannot change those that it is sent; `known` are those that can."""

    code = "picture_edits_unsupported"

    def __init__(self, model: str, known: list[str]) -> None:
        super().__init__("images", f"left out for {model}, which cannot change them")
        self.facts |= {"model": model, "known": ", ".join(known) or "–"}


class SessionNotFound(ChatError):
    """This user has no session of that id. Somebody else's session looks exactly the same."""

    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such conversation.")


class SessionUnreadable(ChatError):
    """What is stored of the session itself cannot be read. It can be exported, as far as it can be read, and
    deleted."""

    code = "session_unreadable"

    def __init__(self) -> None:
        super().__init__("What is stored of this conversation is damaged.")


class TurnNotFound(ChatError):
    """Nothing was said in this session yet, so there is no turn to follow."""

    code = "turn_not_found"

    def __init__(self) -> None:
        super().__init__("Nothing was said in this conversation yet.")


class MessageNotFound(ChatError):
    """The session holds no such message, or no longer."""

    code = "message_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such message in this conversation.")


class NoteNotFound(ChatError):
    """The user has no such note for this role (any more)."""

    code = "note_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such note.")


class ShareNotFound(ChatError):
    """Nothing is shared under this token (any more)."""

    code = "share_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such link, or not any more.")


class SessionBusy(ChatError):
    """A reply is already being written in this session."""

    code = "session_busy"

    def __init__(self, turn_id: str) -> None:
        super().__init__("A reply is still being written in this conversation.")
        self.turn_id = turn_id


class SessionChanged(ChatError):
    """Another turn than the caller saw last is the session's last one: what was meant for that would now
    change something else."""

    code = "session_changed"

    def __init__(self) -> None:
        super().__init__("Something was said in this conversation meanwhile.")


class NothingToContinue(ChatError):
    """The last reply is whole, or there is none."""

    code = "nothing_to_continue"

    def __init__(self) -> None:
        super().__init__("The last reply is whole: there is nothing to continue.")


class RateLimited(ChatError):
    """The user sent too many messages; the next one is welcome in `retry_after` seconds."""

    code = "rate_limited"

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            f"Too many messages. Try again in {retry_after:.0f} seconds.", retry_after=retry_after
        )
        self.retry_after = retry_after


class TokensUsedUp(ChatError):
    """The user's `limit` of tokens for a day is spent; new ones come in `retry_after` seconds, that is, at
    `opens_at`, in UTC."""

    code = "tokens_used_up"

    def __init__(self, limit: int, retry_after: float, opens_at: str) -> None:
        super().__init__(
            f"The {limit} tokens for today are used up. New ones come at {opens_at} UTC.",
            limit=limit,
            retry_after=retry_after,
            opens_at=opens_at,
        )


class TokensUsedUpAtAddress(TokensUsedUp):
    """All users of the address have spent its `limit`."""

    code = "tokens_used_up_at_address"


class LoginFailed(ChatError):
    """Nobody has this name, or its password is another one; nothing tells which."""

    code = "login_failed"

    def __init__(self) -> None:
        super().__init__("The name or the password is wrong.")


class TooManyLoginTries(ChatError):
    """Too many wrong passwords came for this name, or from this address; the next one is looked at in
    `retry_after` seconds."""

    code = "too_many_login_tries"

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            f"Too many wrong passwords. Try again in {retry_after:.0f} seconds.", retry_after=retry_after
        )
        self.retry_after = retry_after


class TooManyReplies(ChatError):
    """This process already writes `limit` replies, the configured maximum, or nearly so many that only
    those who have none are served."""

    code = "too_many_replies"

    def __init__(self, limit: int) -> None:
        super().__init__("The app is busy with other replies. Try again in a moment.", limit=limit)


class TooManyRepliesOfUser(TooManyReplies):
    """The user already has `limit` replies running, the configured share."""

    code = "too_many_replies_of_user"


class TooManyRepliesFromAddress(TooManyReplies):
    """`limit` replies already run for the user's address, the configured share."""

    code = "too_many_replies_from_address"


class ShuttingDown(ChatError):
    """The service is stopping and takes no new turns."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("The app is restarting. Try again in a moment.")


class StoreUnavailable(ChatError):
    """Redis did not answer, or answered that it cannot serve or write. `reason` is for the log."""

    code = "store_unavailable"

    def __init__(self, reason: str = "") -> None:
        super().__init__(f"The conversation store cannot be used: {reason or 'it does not answer'}.")
        self.reason = reason


class ModelError(ChatError):
    """The model failed. `reason` is the provider's own, its secrets removed; empty when it gave none.
    `remedy` is what whoever runs the app can do about it, where nobody else can do anything."""

    code = "model_failed"
    summary: ClassVar[str] = "The model failed."
    remedy: ClassVar[str] = ""

    def __init__(self, reason: str = "", *, retry_after: float | None = None) -> None:
        # A provider's JSON can carry half of a surrogate pair, which nothing can store.
        reason = reason.encode(errors="replace").decode()
        super().__init__(f"{self.summary} {reason}".strip(), reason=reason)
        self.reason = reason
        self.retry_after = retry_after
        if retry_after is not None:
            self.facts["retry_after"] = retry_after


class ModelNotConfigured(ModelError):
    """There is no model to talk to: no key, no address, and no embedded model."""

    code = "model_not_configured"
    summary = "No model is set up."
    remedy = "Set OPENAI_API_KEY, or OPENAI_BASE_URL for a local server."


class ModelAuthFailed(ModelError):
    """The provider did not accept the key (401, 403)."""

    code = "model_auth_failed"
    summary = "The model's provider did not accept the API key."
    remedy = "Check OPENAI_API_KEY."


class ModelNotFound(ModelError):
    """The provider does not know the model (404)."""

    code = "model_not_found"
    summary = "The provider does not know this model."
    remedy = "Check OPENAI_MODEL and OPENAI_BASE_URL."


class ModelAddressWrong(ModelError):
    """There is a server, but nothing to chat with at this address of it."""

    code = "model_address_wrong"
    summary = "The model's server does not chat at this address."
    remedy = "Check OPENAI_BASE_URL: most such addresses end in /v1."


class ModelRateLimited(ModelError):
    """The provider wants us to slow down (429); `retry_after` in seconds if it said so."""

    code = "model_rate_limited"
    summary = "The model's provider asks to slow down."


class ModelQuotaExhausted(ModelError):
    """What was paid for at the provider, or given for nothing, is used up (402, or 429 with that reason):
    waiting does not help."""

    code = "model_quota_exhausted"
    summary = "The credit at the model's provider is used up."
    remedy = "Top it up there, or set another OPENAI_API_KEY."


class ModelUnreachable(ModelError):
    """No connection to the provider could be made."""

    code = "model_unreachable"
    summary = "The model's server cannot be reached."
    remedy = "Check the network and OPENAI_BASE_URL."


class ModelServerFailed(ModelError):
    """The provider had a failure of its own (5xx)."""

    code = "model_server_failed"
    summary = "The model's server had an error."


class ModelRequestRejected(ModelError):
    """The provider rejected the request for another reason (other 4xx)."""

    code = "model_request_rejected"
    summary = "The model's provider rejected the request."


class ModelTimedOut(ModelError):
    """Nothing came before the time-out for the first token."""

    code = "model_timed_out"
    summary = "The model did not start to answer in time."


class ModelStalled(ModelError):
    """The reply began and then nothing more came for the stall time-out."""

    code = "model_stalled"
    summary = "The model stopped in the middle of its reply."


class ModelDisconnected(ModelError):
    """The connection ended before the reply did."""

    code = "model_disconnected"
    summary = "The connection to the model was lost in the middle of its reply."


class ModelGarbled(ModelError):
    """What came is not a chat completion stream."""

    code = "model_garbled"
    summary = "The model's server sent something that is not a chat reply."
    remedy = "Check OPENAI_BASE_URL."


class ModelSilent(ModelError):
    """The reply ended properly, without a word."""

    code = "model_silent"
    summary = "The model ended its reply without saying anything."


class ModelFiltered(ModelError):
    """The provider's filter ended the reply before its first word."""

    code = "model_filtered"
    summary = "The provider's content filter withheld the reply."


class ModelOutOfLength(ModelError):
    """The reply reached its greatest length before its first word, which reasoning can do."""

    code = "model_out_of_length"
    summary = "The reply reached its maximum length before it began."


class ModelRepeated(ModelError):
    """The reply went round in circles and was ended."""

    code = "model_repeated"
    summary = "The model began to repeat itself, so its reply was ended."


class ModelPictureUnusable(ModelError):
    """What came in place of a picture is none, or one that is too large or cannot be fetched."""

    code = "model_picture_unusable"
    summary = "The model's provider sent a picture that cannot be used."


class ContextTooLong(ModelError):
    """What was sent does not fit into the model's context window."""

    code = "context_too_long"
    summary = "The conversation is too long for this model."
