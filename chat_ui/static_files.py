"""The page's own scripts, styles and pictures, as browsers get them."""

import mimetypes
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_FOR_EVER = "public, max-age=31536000, immutable"
_HASH_CHARACTERS = 12

# Some systems call scripts plain text, and no browser runs that as a module.
mimetypes.add_type("text/javascript", ".js")


class StaticFolder:
    """A folder as it is now, under an address of its own: another content has another address, so browsers
    keep the files for ever and never mix old ones with new ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"static-{_content_hash(folder)}"

    def mount(self, app: FastAPI) -> None:
        """Serves the files under the address."""
        app.mount(f"/{self.address}", _ImmutableFiles(directory=self._folder))

    def tags(self) -> str:
        """HTML for the page's head: all style sheets, which do not depend on their order, and main.js. What
        that imports is named too, so that it comes at once and not one after the other. The addresses are
        relative, so that they hold under any path."""
        styles = [f'<link rel="stylesheet" href="{url}">' for url in self._urls("*.css")]
        modules = [f'<link rel="modulepreload" href="{url}">' for url in self._urls("*.js")]
        return "".join([*styles, *modules, f'<script type="module" src="{self.address}/main.js"></script>'])

    def _urls(self, pattern: str) -> list[str]:
        return [f"{self.address}/{file.name}" for file in sorted(self._folder.glob(pattern))]


def _content_hash(folder: Path) -> str:
    content = sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        for part in (file.relative_to(folder).as_posix().encode(), file.read_bytes()):
            content.update(b"%d:%b" % (len(part), part))
    return content.hexdigest()[:_HASH_CHARACTERS]


class _ImmutableFiles(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = _FOR_EVER
        return response
