"""Passwords: the hashes of them that AUTH_USERS holds.

A hash is "scrypt.14.8.5.SALT.KEY": how scrypt (RFC 7914) was called, and what came of it. The usual notations
have `$` and `,` in them, which mean something in a `.env` and in a list.
"""

import hashlib
import hmac
import re
import secrets
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode

# N (as a power of two), r and p, as OWASP recommends where a check may take 16 MiB.
_COST = (14, 8, 5)
_KEY_BYTES = 32
_MAX_MEMORY = 2**31 - 1
_HASH = re.compile(r"scrypt\.(1\d|20)\.([1-9]|[1-3]\d)\.([1-9]|1\d)\.([\w-]{22})\.([\w-]{43})", re.ASCII)


def hash_password(password: str) -> str:
    """A new hash of the password, each time another one."""
    salt = secrets.token_bytes(16)
    key = _derive(password, salt, *_COST)
    return ".".join(["scrypt", *map(str, _COST), _text(salt), _text(key)])


def is_password_hash(text: str) -> bool:
    """Whether `hash_password` could have made this."""
    return bool(_HASH.fullmatch(text))


def verify_password(password: str, password_hash: str) -> bool:
    """Whether it is a hash of this password. Takes a fifth of a second of a processor, on purpose."""
    found = _HASH.fullmatch(password_hash)
    if not found:
        raise ValueError("not a hash of a password")
    cost, block, parallel, salt, key = found.groups()
    derived = _derive(password, _bytes(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(derived, _bytes(key))


def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    # Keyboards differ in how they write the same character.
    text = unicodedata.normalize("NFKC", password).encode(errors="surrogatepass")
    return hashlib.scrypt(
        text, salt=salt, n=2**cost, r=block, p=parallel, maxmem=_MAX_MEMORY, dklen=_KEY_BYTES
    )


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
