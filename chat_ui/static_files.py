"""The page's own scripts, styles and pictures, as browsers get them."""

import mimetypes
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from .bundle import bundle_scripts, bundle_styles

_FOR_EVER = "public, max-age=31536000, immutable"
_HASH_CHARACTERS = 12
_SCRIPTS = "page.js"
_STYLES = "page.css"

# Some systems call scripts plain text, and no browser runs that as a module.
mimetypes.add_type("text/javascript", ".js")


class StaticFolder:
    """A folder as it is now, under an address of its own: another content has another address, so browsers
    keep the files for ever and never mix old ones with new ones. Its scripts and its style sheets come as one
    file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bundles = {
            _SCRIPTS: (bundle_scripts(folder, "main"), "text/javascript"),
            _STYLES: (bundle_styles(folder), "text/css"),
        }
        self.address = address_of_content(
            part
            for file in sorted(file for file in folder.rglob("*") if file.is_file())
            for part in (file.relative_to(folder).as_posix().encode(), file.read_bytes())
        )

    def mount(self, app: FastAPI) -> None:
        """Serves the files under the address."""
        for name, (text, media_type) in self._bundles.items():
            app.add_api_route(f"/{self.address}/{name}", kept_for_ever(text, media_type))
        app.mount(f"/{self.address}", _ImmutableFiles(directory=self._folder))

    def tags(self) -> str:
        """HTML for the page's head. The addresses are relative, so that they hold under any path."""
        return (
            f'<link rel="stylesheet" href="{self.address}/{_STYLES}">'
            f'<script type="module" src="{self.address}/{_SCRIPTS}"></script>'
        )


def kept_for_ever(text: str, media_type: str) -> Callable[[], Response]:
    """A route that answers with this text."""
    return lambda: Response(text, media_type=media_type, headers={"cache-control": _FOR_EVER})


def address_of_content(parts: Iterable[bytes]) -> str:
    """The address of what consists of these parts, and of nothing else."""
    content = sha256()
    for part in parts:
        content.update(b"%d:%b" % (len(part), part))
    return f"static-{content.hexdigest()[:_HASH_CHARACTERS]}"


class _ImmutableFiles(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = _FOR_EVER
        return response
