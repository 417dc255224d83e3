"""Scenarios with an environment of their own: the lab's, but for what they change."""

from pathlib import Path

import pytest

from orchestrator.paths import project_root

LAB = project_root() / "inventories/lab"
OWN = sorted(project_root().glob("molecule/*/environment"))


@pytest.mark.parametrize("environment", OWN, ids=lambda path: path.parent.name)
def test_all_that_the_lab_declares_is_there(environment: Path) -> None:
    there = {file.name for file in environment.iterdir() if file.exists()}
    assert there == {file.name for file in LAB.iterdir()}
