"""How many bytes of uploads are kept, and of whom."""

import json
from itertools import count
from pathlib import Path

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from chat_ui import upload_limits
from chat_ui.upload_limits import UploadLimits
from tests.pictures import picture


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UploadLimits:
    """Over an app that stores what it is sent as one file; 1,000 bytes are kept, 300 of an address."""
    monkeypatch.setattr(upload_limits, "_BYTES_IN_ALL", 1000)
    monkeypatch.setattr(upload_limits, "_BYTES_PER_HOUR", 300)

    numbers = count()

    async def store(scope: Scope, receive: Receive, send: Send) -> None:
        path = tmp_path / f"{next(numbers)}.png"
        path.write_bytes((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps([str(path)]).encode()})

    return UploadLimits(store)


async def upload(app: UploadLimits, address: str, size: int) -> int:
    """The status that is answered to a picture of so many bytes."""
    transport = httpx2.ASGITransport(app, client=(address, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        content = (picture() + bytes(size))[:size]
        return (await client.post("/gradio_api/upload", content=content)).status_code


async def test_a_few_addresses_do_not_fill_the_folder_for_all(app: UploadLimits, tmp_path: Path) -> None:
    flood = [await upload(app, f"192.0.2.{one}", 100) for one in range(9) for _ in range(4)]
    assert flood.count(200) == 5
    assert await upload(app, "192.0.2.99", 30) == 200  # somebody else's small one
    for number in range(3):
        (tmp_path / f"{number}.png").unlink()  # as Gradio does after a while
    assert await upload(app, "192.0.2.98", 100) == 200


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.1"])
async def test_no_address_sends_more_than_its_share(app: UploadLimits, address: str) -> None:
    assert [await upload(app, address, 100) for _ in range(5)] == [200] * 3 + [429] * 2
    assert await upload(app, "192.0.2.2", 100) == 200
