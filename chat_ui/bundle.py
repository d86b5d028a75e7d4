"""The page's scripts and styles as one file each, so that a first visit asks twice and not eighty times."""

import re
from pathlib import Path

_IMPORT = re.compile(r'^import (?:(\{ \w+(?:, \w+)* \})|\* as (\w+)) from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|(?:async )?function\*?) (\w+))", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundle_scripts(folder: Path, first: str) -> str:
    """The module `first` and all that it imports, as one module. Each becomes a function that returns what it
    exports, and stands behind those that it imports. Raises ValueError for modules that import each other in
    a circle, and for imports and exports that are written in a way that is not known here."""
    done: dict[str, str] = {}

    def add(module: str, importers: tuple[str, ...]) -> None:
        if module in importers:
            raise ValueError(f"modules in a circle: {' > '.join((*importers, module))}")
        if module in done:
            return
        text = (folder / f"{module}.js").read_text(encoding="utf-8")
        for _, _, imported in _IMPORT.findall(text):
            add(imported, (*importers, module))
        done[module] = _as_function(module, text)

    add(first, ())
    return "".join(done.values())


def bundle_styles(folder: Path) -> str:
    """All style sheets of the folder, which do not depend on their order."""
    return "".join(sheet.read_text(encoding="utf-8") for sheet in sorted(folder.glob("*.css")))


def _as_function(module: str, text: str) -> str:
    exported = ", ".join(_EXPORT.findall(text))
    body = _EXPORT.sub("", _IMPORT.sub(_as_constant, text))
    if unknown := _LEFT_OVER.search(body):
        raise ValueError(f"{module}.js: {unknown[0]}")
    return f"const {_name(module)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


def _as_constant(found: re.Match[str]) -> str:
    names, everything, module = found.groups()
    return f"const {names or everything} = {_name(module)};\n"


def _name(module: str) -> str:
    return f"${module.replace('-', '_')}"
