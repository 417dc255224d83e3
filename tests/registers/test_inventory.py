"""The inventory of equipment and software, as the last one of each host has left it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.environment import load_environment
from orchestrator.inventory.standing import standing

Says = Callable[[str, object], None]
HOUR = timedelta(hours=1)
OLDEST = timedelta(hours=26)  # taken each night, and two hours for a night that is long


@pytest.mark.pas("4.1.1", "4.1.2")
def test_the_inventory_is_up_to_date(directory: Path, record_property: Says) -> None:
    """Equipment and software of every host were listed within 26 hours."""
    now = datetime.now(UTC)
    ages = {
        one.host: now - datetime.fromisoformat(one.last.when) if one.last else None
        for one in standing(load_environment(directory), now)
    }
    old = [
        f"{host}: {'none yet' if age is None else f'{age / HOUR:.0f} hours ago'}"
        for host, age in ages.items()
        if age is None or age > OLDEST
    ]
    assert not old, (
        f"no whole inventory within 26 hours ({', '.join(old)}): run `pas-infra inventory`"
    )
    oldest = max(age for age in ages.values() if age is not None)
    record_property("says", f"{len(ages)} hosts, the oldest {oldest / HOUR:.0f} hours ago")


@pytest.mark.pas("4.1.1")
def test_no_equipment_is_unknown(directory: Path) -> None:
    """The last inventory of each host found the equipment that is declared, and no other."""
    known = [one for one in standing(load_environment(directory), datetime.now(UTC)) if one.last]
    if not known:
        pytest.skip("no host has an inventory yet: run `pas-infra inventory`")
    unknown = [
        f"{one.finding.host}: {one.finding.kind} {one.finding.object}"
        for host in known
        for one in host.found
        if not one.accepted_until
    ]
    assert not unknown, f"not as declared: {', '.join(unknown)}"
