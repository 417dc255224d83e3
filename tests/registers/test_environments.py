"""Environments have nothing in common: the one that is verified, and those that lie beside it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.environment.separation import belongings, shared


@pytest.mark.pas("7.3.1")
def test_environments_share_nothing(
    directory: Path, record_property: Callable[[str, object], None]
) -> None:
    """No other environment has a host, a key, a secret or a network of this one."""
    here = directory.resolve()
    others = [
        file.parent for file in sorted(here.parent.glob("*/environment.yml")) if file.parent != here
    ]
    if not others:
        pytest.skip("no other environment lies beside it to be compared with")
    mine = belongings(here)
    common = [
        f"{pair.mine.spoken} ({pair.mine.where}) is {pair.other.spoken} ({pair.other.where})"
        for other in others
        for pair in shared(mine, belongings(other))
    ]
    assert not common, f"{'; '.join(common)}: give each environment its own"
    names = ", ".join(other.name for other in others)
    record_property("says", f"{len(mine)} things compared with {names}")
