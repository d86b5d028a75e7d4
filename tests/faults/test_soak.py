"""A short soak, so that `make soak` keeps working."""

from pathlib import Path

import pytest

from .soak import soak

SECONDS = 25


@pytest.mark.timeout(SECONDS + 150)
async def test_fifty_people_and_many_faults_leave_everything_whole_and_nothing_behind(tmp_path: Path) -> None:
    came = await soak(tmp_path, SECONDS, seed=1)
    print(came)
    assert min(came.done[deed] for deed in ("talk", "be_failed", "stop", "vanish", "undo", "look")) > 0
    assert came.freezes >= 1
    assert came.growth < 0.2
    assert came.is_healthy
