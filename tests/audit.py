"""`make audit`: whether anything that is installed here is known to be vulnerable."""

import json
import subprocess
import sys
import tempfile
from typing import Any

# What pip-audit says when nobody answers it, or with an error; it ends as if it had found something.
_UNREACHABLE = ("Could not connect to", "ServiceError", "requests.exceptions.")


def audit() -> subprocess.CompletedProcess[str]:
    """Asks about the packages that the pins have brought, which are those that pip lists."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--disable-pip-version-check"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(subprocess.run(freeze, stdout=subprocess.PIPE, text=True, check=True).stdout)
        pins.flush()
        asked = ["-r", pins.name, "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
        return subprocess.run(
            [sys.executable, "-m", "pip_audit", *asked], capture_output=True, text=True, check=False
        )


def verdict(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """The exit code, and what to tell. What nobody could say anything of is called neither sound nor bad."""
    if not done.stdout.strip():
        if any(words in done.stderr for words in _UNREACHABLE):
            return 0, "Nothing was audited: the service that knows vulnerabilities cannot be reached."
        return done.returncode or 1, done.stderr.strip()
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    found = [line for package in packages for line in _lines(package)]
    if found:
        return 1, "\n".join(found)
    if len(unknown) == len(packages):
        return (
            0,
            "Nothing was audited: the package index that is asked here knows nothing of vulnerabilities.",
        )
    told = f"No vulnerability is known in {len(packages) - len(unknown)} packages."
    return 0, f"{told} Not audited: {', '.join(unknown)}." if unknown else told


def _lines(package: dict[str, Any]) -> list[str]:
    return [
        f"{package['name']} {package['version']}: {found['id']}, mended in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for found in package.get("vulns", [])
    ]


if __name__ == "__main__":
    code, told = verdict(audit())
    print(told)
    sys.exit(code)
