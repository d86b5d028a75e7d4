"""The Dockerfile without Docker: what it copies is enough to run, and its health check tells."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fake_openai import FakeOpenAI
from tests.running import APP, running_app

DOCKERFILE = (APP.parent / "Dockerfile").read_text()


def test_what_the_image_holds_is_enough_and_is_found_healthy(tmp_path: Path, provider: FakeOpenAI) -> None:
    image = tmp_path / "app"
    image.mkdir()
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", DOCKERFILE, re.M):
        copy = shutil.copytree if (APP.parent / source).is_dir() else shutil.copy
        copy(APP.parent / source, image / target)
    (check,) = re.findall(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", DOCKERFILE, re.M)
    _, *arguments = json.loads(check)

    def is_healthy(port: str) -> bool:
        environment = {**os.environ, "GRADIO_SERVER_PORT": port}
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, check=False, timeout=20
        )
        return done.returncode == 0

    settings = {"OPENAI_BASE_URL": provider.base_url, "DATA_DIR": str(tmp_path / "data")}
    with running_app(tmp_path, program=image / "app.py", **settings) as app:
        assert is_healthy(app.url.rpartition(":")[2])
    assert not is_healthy(app.url.rpartition(":")[2])


def test_the_containers_settings_are_settings_of_the_app() -> None:
    written = re.findall(r"([A-Z_]+)=", DOCKERFILE + (APP.parent / "deploy/role-chat.service").read_text())
    known = {*re.findall(r"^# ([A-Z_]+)=", (APP.parent / ".env.example").read_text(), re.M)}
    assert {name for name in written if name.startswith(("DATA", "GRADIO", "REDIS"))} <= known
