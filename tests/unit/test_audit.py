"""What `make audit` makes of what pip-audit says."""

import json
import subprocess

import pytest

from tests.audit import verdict

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found"}
BAD = {"name": "bad", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
HOPELESS = {"name": "hopeless", "version": "3.0", "vulns": [{"id": "CVE-2", "fix_versions": []}]}


def done(*packages: dict[str, object], code: int = 0, errors: str = "") -> subprocess.CompletedProcess[str]:
    told = json.dumps({"dependencies": packages, "fixes": []}) if packages else ""
    return subprocess.CompletedProcess([], code, told, errors)


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (done(SOUND, SOUND), 0, "No vulnerability is known in 2 packages."),
        (done(SOUND, UNKNOWN), 0, "No vulnerability is known in 1 packages. Not audited: unknown."),
        (done(UNKNOWN, UNKNOWN), 0, "Nothing was audited"),
        (
            done(SOUND, BAD, HOPELESS, code=1),
            1,
            "bad 2.0: CVE-1, mended in 2.1\nhopeless 3.0: CVE-2, mended in no",
        ),
        (
            done(code=1, errors="ERROR: Could not connect to PyPI's vulnerability feed"),
            0,
            "cannot be reached",
        ),
        (done(code=1, errors="requests.exceptions.ConnectionError: no name"), 0, "cannot be reached"),
        (done(code=1, errors="pip_audit._service.interface.ServiceError"), 0, "cannot be reached"),
        (done(code=1, errors="ERROR: requirement is not pinned"), 1, "requirement is not pinned"),
        (done(code=0, errors="nothing at all"), 1, "nothing at all"),
    ],
    ids=[
        "sound",
        "partly unknown",
        "all unknown",
        "bad",
        "offline",
        "no network",
        "service fails",
        "mistake",
        "silent",
    ],
)
def test_only_what_is_known_to_be_vulnerable_fails_and_nothing_else_passes_for_sound(answer, code, told):
    exit_code, text = verdict(answer)
    assert exit_code == code
    assert told in text
