"""What a Hugging Face Space does with the project: install its requirements beside its own, and start it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SDK_VERSION = re.search(r"^sdk_version: (\S+)$", (ROOT / "README.md").read_text(), re.M)
# What the builder of Spaces installs together with requirements.txt.
OF_SPACES = ("uvicorn", "websockets", "spaces")


@pytest.mark.timeout(180)
def test_the_requirements_can_be_installed_beside_those_of_spaces(tmp_path: Path) -> None:
    assert SDK_VERSION
    line = [f"gradio[oauth,mcp]=={SDK_VERSION[1]}", *OF_SPACES, "-r", str(ROOT / "requirements.txt")]
    resolve = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    done = subprocess.run([*resolve, *line], capture_output=True, text=True, cwd=tmp_path, check=False)
    if "No matching distribution found" in done.stderr and "from versions: none" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
