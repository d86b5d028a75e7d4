"""Users who bring long conversations, or many, and do something with them."""

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import aiohttp

from benchmarks.page_client import Page, Tab


def conversation(messages: int, chars: int) -> bytes:
    """One that /import_session takes."""
    text = "lorem **ipsum** `dolor`\n" * (chars // 24)
    roles = ["user", "assistant"] * (messages // 2)
    said = [
        {"id": f"{n}", "turn_id": f"{n // 2}", "timestamp": 0, "role": role, "content": text}
        for n, role in enumerate(roles)
    ]
    head = {"format": "role-chat", "version": 1, "title": "Long", "role": "", "model": "", "exported_at": 0}
    return json.dumps(head | {"messages": said}).encode()


@dataclass
class Owner:
    """A user who imports conversations and does something with them."""

    http: aiohttp.ClientSession
    url: str
    user_id: str = ""
    latest: str = ""  # conversation

    async def call(self, name: str, **values: Any) -> Any:
        asked = {"user_id": self.user_id, **values}
        async with self.http.post(f"{self.url}/gradio_api/run/{name}", json=asked) as answer:
            assert answer.status == 200, await answer.text()
            return (await answer.json())["data"][0]

    async def bring(self, name: str, content: bytes) -> str:
        """The id of the latest conversation in the file."""
        if not self.user_id:
            self.user_id = (await self.call("start_chat", role=""))["user_id"]
        file = await Tab(await Page.get(self.http, self.url), self.http).upload(name, content)
        self.latest = str((await self.call("import_session", file=file))["session_id"])
        return self.latest


def archive(number: int, content: bytes) -> bytes:
    """So many times the same conversation."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as files:
        for place in range(number):
            files.writestr(f"conversations/{place} long.json", content)
    return packed.getvalue()
