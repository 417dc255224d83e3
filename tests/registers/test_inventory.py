"""The inventory of equipment and software, as the last one of every host has left it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.environment import load_environment
from orchestrator.inventory.take import last_complete_inventory
from orchestrator.records import RunStatus

Says = Callable[[str, object], None]
OLDEST = timedelta(hours=26)  # taken each night, and two hours for a night that is long


@pytest.mark.pas("4.1.1", "4.1.2")
def test_the_inventory_is_up_to_date(directory: Path, record_property: Says) -> None:
    """Equipment and software of every host were listed within 26 hours."""
    last = last_complete_inventory(load_environment(directory))
    assert last is not None, "no inventory has every host yet: run `pas-infra inventory`"
    age = datetime.now(UTC) - datetime.fromisoformat(last.started)
    hours = age / timedelta(hours=1)
    assert age <= OLDEST, (
        f"the last inventory of every host is {hours:.0f} hours old: run `pas-infra inventory`"
    )
    record_property("says", f"{hours:.0f} hours ago: {last.message}")


@pytest.mark.pas("4.1.1")
def test_no_equipment_is_unknown(directory: Path) -> None:
    """The last inventory found the equipment that is declared, and no other."""
    last = last_complete_inventory(load_environment(directory))
    if last is None:
        pytest.skip("no inventory has every host yet: run `pas-infra inventory`")
    assert last.status is RunStatus.OK, f"{last.message}: `pas-infra inventory` shows it"
