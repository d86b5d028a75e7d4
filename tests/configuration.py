"""`python -m tests.configuration` writes docs/configuration.md: every setting, from `.env.example`."""

import re
from collections.abc import Iterator
from pathlib import Path

from chat_core.settings import Settings

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "configuration.md"

_HEAD = """# Configuration

Every variable can stand in the environment or in `.env`; the environment wins, and an empty one counts as
not set. What is wrong is told at the start, all of it at once. `make docs` makes this page from
[`.env.example`](../.env.example). More on [providers](providers.md), on [running it in public](deploy.md) and
on [several processes](scaling.md).
"""


def document() -> str:
    """The page, as Markdown."""
    return "\n".join([_HEAD.rstrip(), *_lines((ROOT / ".env.example").read_text(encoding="utf-8"))]) + "\n"


def _lines(example: str) -> Iterator[str]:
    explanation: list[str] = []
    for line in example.splitlines():
        if heading := re.fullmatch(r"# ---- (.*) ----", line):
            yield f"\n## {heading[1]}\n\n| Variable | Default | What it does | Expected |\n|---|---|---|---|"
            explanation = []
        elif assignment := re.fullmatch(r"# ([A-Z_]+)=(.*)", line):
            name, default = assignment.groups()
            shown = f"`{default}`" if default else ""
            expected = Settings.model_fields[name.lower()].description or ""
            cells = [f"`{name}`", shown, " ".join(explanation), expected]
            yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
            explanation = []
        elif line:
            explanation.append(line.removeprefix("# "))
        else:  # what is said at the top belongs to no variable
            explanation = []


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
