"""PromptStore: what users write as the prompt of their own role."""

from . import keys
from .scripts import Redis


class PromptStore:
    """Each user's prompt for the role "custom", kept for `ttl_seconds` after its last use (0: for ever)."""

    def __init__(self, redis: Redis, *, ttl_seconds: int) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds

    async def get(self, user_id: str) -> str:
        """The prompt; "" if there is none. Asking for it is using it."""
        key = keys.custom_prompt(user_id)
        if self._ttl_seconds:
            return await self._redis.getex(key, ex=self._ttl_seconds) or ""
        return await self._redis.get(key) or ""

    async def set(self, user_id: str, prompt: str) -> None:
        """Stores the prompt; "" removes it."""
        key = keys.custom_prompt(user_id)
        if prompt:
            await self._redis.set(key, prompt, ex=self._ttl_seconds or None)
        else:
            await self._redis.delete(key)
