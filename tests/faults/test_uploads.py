"""Ten thousand files from one address."""

from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.pictures import picture
from tests.running import running_app

from .floods import client_at


@pytest.mark.timeout(300)
async def test_of_ten_thousand_files_from_one_address_a_few_hundred_are_taken(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    answers: Counter[int] = Counter()
    with running_app(tmp_path, **settings) as app:
        async with client_at("127.0.0.12") as http:
            for _ in range(10_000):
                form = aiohttp.FormData()
                form.add_field("files", picture(), filename="file.png")
                async with http.post(f"{app.url}/gradio_api/upload", data=form) as answer:
                    answers[answer.status] += 1
        async with client_at("127.0.0.13") as http:
            form = aiohttp.FormData()
            form.add_field("files", picture(), filename="file.png")
            async with http.post(f"{app.url}/gradio_api/upload", data=form) as answer:
                assert answer.status == 200
    assert answers == {200: 300, 429: 9_700}
