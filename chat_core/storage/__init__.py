"""Storage: sessions and their messages in Redis, each change in one step, and which Redis that is.

`keys` names every key; `sessions` reads and changes sessions by `changes`, which `commit.lua` carries out;
`connection` opens the Redis that the settings call for, by one of the `clients`, `valkey` an embedded one,
whose data `repair` makes readable again; `census` looks at all users for the operator, and `backup` keeps all
that is theirs in a file; `trouble` tells why one cannot be used, `damage` what to do where a key is
not what it should be.
"""

from . import keys
from .backup import Backup
from .budget import TokenBudget, TokensLeft
from .census import Census
from .changes import Change, SessionState, require_last_turn
from .clients import connect
from .connection import STORE_TIMEOUT_SECONDS, StoreConnection, redis_errors_as_store_unavailable
from .damage import is_of_wrong_type
from .limits import RateLimiter
from .logins import LoginStore, TryLimit
from .notes import NoteStore
from .processes import ProcessBoard, ProcessNote
from .roles import RoleStore
from .rows import index_of, parse_rows
from .scripts import Redis, Script, ScriptCall, run_scripts, run_scripts_in_order
from .sessions import Plan, SessionStore
from .shares import ShareStore
from .trouble import STORE_ERRORS, StoreTrouble

__all__ = [
    "STORE_ERRORS",
    "STORE_TIMEOUT_SECONDS",
    "Backup",
    "Census",
    "Change",
    "LoginStore",
    "NoteStore",
    "Plan",
    "ProcessBoard",
    "ProcessNote",
    "RateLimiter",
    "Redis",
    "RoleStore",
    "Script",
    "ScriptCall",
    "SessionState",
    "SessionStore",
    "ShareStore",
    "StoreConnection",
    "StoreTrouble",
    "TokenBudget",
    "TokensLeft",
    "TryLimit",
    "connect",
    "index_of",
    "is_of_wrong_type",
    "keys",
    "parse_rows",
    "redis_errors_as_store_unavailable",
    "require_last_turn",
    "run_scripts",
    "run_scripts_in_order",
]
