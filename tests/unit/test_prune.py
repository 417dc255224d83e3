"""Which archives go, and that none goes where something is not as it should be."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.backup import Repository, list_archives, prune
from orchestrator.backup.entries import Entry, catalogue_of
from orchestrator.backup.retention import Retention
from orchestrator.errors import Incomplete, PasInfraError
from orchestrator.exit_codes import ExitCode

SYSTEM = Repository("rbx7", "system", "Système", ("/etc",))
TEMPLATE = Entry("system", "", "f" * 64, "", 1, 1, 1, "a" * 64)
LAST = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)  # a Thursday


def entry(moment: datetime) -> Entry:
    name = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return replace(TEMPLATE, archive=name, ended=moment.isoformat())


def nightly(days: int) -> list[Entry]:
    return [entry(LAST - timedelta(days=day)) for day in range(days)]


def days_of(archives: Iterable[str]) -> list[str]:
    return sorted(one[5:10] for one in archives)


@pytest.mark.parametrize(
    ("retention", "days"),
    [
        ((2, 0, 0), ["11-25", "11-26"]),
        # The last night of a week is Sunday's; of this week there are four so far.
        ((0, 3, 0), ["11-15", "11-22", "11-26"]),
        ((1, 2, 3), ["09-30", "10-31", "11-22", "11-26"]),
        ((0, 0, 99), ["08-31", "09-30", "10-31", "11-26"]),
        ((0, 0, 0), ["11-26"]),
    ],
)
def test_one_of_each_period_stays(retention: tuple[int, int, int], days: list[str]) -> None:
    assert days_of(Retention(*retention).kept(nightly(100))) == days


def test_days_without_an_archive_do_not_count() -> None:
    gaps = [entry(LAST - timedelta(days=day)) for day in (0, 40, 41, 300)]
    assert len(Retention(3, 0, 0).kept(gaps)) == 3
    twice = [*nightly(2), entry(LAST + timedelta(hours=3))]
    assert Retention(1, 1, 1).kept(twice) == {twice[-1].archive}
    assert Retention(1, 1, 1).kept([]) == set()


@pytest.mark.parametrize(
    "declared",
    [{}, {"daily": 1}, {"daily": -1, "weekly": 1, "monthly": 1}, {"daily": 0, "weekly": 0,
     "monthly": 0}, {"daily": "7", "weekly": 1, "monthly": 1},
     {"daily": 1, "weekly": 1, "monthly": 1, "yearly": 1}],
)  # fmt: skip
def test_what_keeps_nothing_is_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(PasInfraError, match="backup_source_keep"):
        Retention.from_data(declared)


class Ends:
    """A source, which holds the archives of one repository, and the target."""

    def __init__(self, archives: list[Entry]) -> None:
        self.held = {one.archive: one.id for one in archives}
        self.dead = ""
        self.compacted = 0
        self.asked: list[str] = []
        self.faults: tuple[str, ...] = ()
        self.nightly: list[Entry] = []

    def status(self, environment: Any, *_: Any) -> Any:
        catalogue = catalogue_of(environment, "rbx7")
        catalogue.remember(self.nightly)
        catalogue.save()
        state = SimpleNamespace(repository=SYSTEM, entries=tuple(catalogue.of("system")))
        return SimpleNamespace(missing={}, states=[state], faults={"rbx7/system": self.faults})

    def work(self, _line: Any, request: dict[str, Any], _tell: Any) -> dict[str, Any]:
        if request["what"] == "list":
            archives = [{"archive": name, "id": one} for name, one in self.held.items()]
            return {"archives": {"system": archives}}
        self.asked += request["archives"]
        if self.dead == "source":
            raise Incomplete("rbx7 is gone")
        for one in request["archives"]:
            del self.held[one]
        return {}

    def ask(self, *_: Any) -> Any:
        if self.dead == "target":
            return {}, {"sysfab": "gone"}
        self.compacted += 1
        return {"sysfab": {"before": 100, "after": 40}}, {}


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    made = Ends(nightly(4))
    module = sys.modules["orchestrator.backup.prune"]
    line = SimpleNamespace(target=SimpleNamespace(host="sysfab"))
    for where in (module, sys.modules["orchestrator.backup.listing"]):
        monkeypatch.setattr(where, "work", made.work)
        monkeypatch.setattr(where, "lines_to", lambda *_: {"rbx7": line})
    monkeypatch.setattr(module, "ask", made.ask)
    monkeypatch.setattr(module, "_retention", lambda *_: Retention(2, 0, 0))
    monkeypatch.setattr(module, "status", made.status)
    return made


@pytest.fixture
def environment(tmp_path: Path) -> Any:
    directory = tmp_path / "store"
    made: Any = SimpleNamespace(name="x", kind="production", store_directory=directory)
    directory.mkdir(mode=0o700)
    catalogue = catalogue_of(made, "rbx7")
    catalogue.remember(nightly(4))
    catalogue.save()
    return made


def pruned(environment: Any, typed: str = "x") -> Any:
    return prune(environment, [SYSTEM], lambda _: None, lambda _: typed)


def test_what_is_kept_no_longer_goes(ends: Ends, environment: Any) -> None:
    done = pruned(environment)
    assert days_of(ends.held) == ["11-25", "11-26"]
    assert [days_of(one.archives) for one in done.dropped] == [["11-23", "11-24"]]
    assert (done.exit_code, done.freed, ends.compacted) == (ExitCode.OK, {"rbx7/system": 60}, 1)
    found = list_archives(environment, SYSTEM, lambda _: None)
    assert [one.fault for one in found] == ["", ""]
    # The source's register has them still.
    catalogue = catalogue_of(environment, "rbx7")
    catalogue.remember(nightly(4))
    assert days_of(one.archive for one in catalogue.of("system")) == ["11-25", "11-26"]
    assert pruned(environment).dropped == ()


def test_nobody_drops_by_mistake(ends: Ends, environment: Any) -> None:
    done = pruned(environment, typed="y")
    assert (done.exit_code, done.declined) == (ExitCode.INTERRUPTED, True)
    assert (ends.asked, ends.compacted) == ([], 0)
    assert len(catalogue_of(environment, "rbx7").of("system")) == 4


WRONG = {
    "one has gone": (lambda held: held.popitem(), "is there no more"),
    "one is unknown": (lambda held: held.update({"z": "0" * 64}), "no backup is known that made"),
    "one is another": (lambda held: held.update({min(held): "0" * 64}), "is another one than"),
}


@pytest.mark.parametrize(("change", "why"), WRONG.values(), ids=WRONG)
def test_nothing_goes_where_something_is_wrong(
    ends: Ends, environment: Any, change: Any, why: str
) -> None:
    change(ends.held)
    before = dict(ends.held)
    with pytest.raises(PasInfraError, match=why):
        pruned(environment)
    assert ends.held == before
    assert ends.compacted == 0


@pytest.mark.parametrize("dead", ["source", "target"])
def test_cut_short_it_goes_on(ends: Ends, environment: Any, dead: str) -> None:
    ends.dead = dead
    with pytest.raises(Incomplete):
        pruned(environment)
    if dead == "source":
        listed = list_archives(environment, SYSTEM, lambda _: None)
        assert sum("pas-infra backup prune ends it" in one.fault for one in listed) == 2
    ends.dead = ""
    pruned(environment)
    assert days_of(ends.held) == ["11-25", "11-26"]
    assert ends.compacted == 1


def test_a_source_that_drops_others_too_makes_no_room(ends: Ends, environment: Any) -> None:
    """What a target has not made room of yet can be brought back."""
    dropping = ends.work

    def all_of_them(line: Any, request: dict[str, Any], tell: Any) -> dict[str, Any]:
        said = dropping(line, request, tell)
        if request["what"] == "prune":
            ends.held.clear()
        return said

    sys.modules["orchestrator.backup.prune"].work = all_of_them  # type: ignore[attr-defined]
    with pytest.raises(PasInfraError, match="is there no more"):
        pruned(environment)
    assert ends.compacted == 0


def test_an_archive_that_is_late_drops_none(ends: Ends, environment: Any) -> None:
    """By one more for a day that has gone, the real one of that day would be dropped."""
    late = entry(LAST - timedelta(days=1) + timedelta(hours=5))
    ends.nightly = [late]
    ends.held[late.archive] = late.id
    with pytest.raises(PasInfraError, match="no backup is known that made it"):
        pruned(environment)
    assert ends.asked == []


def test_a_night_that_comes_meanwhile_is_no_fault(ends: Ends, environment: Any) -> None:
    planned = ends.work

    def night(line: Any, request: dict[str, Any], tell: Any) -> dict[str, Any]:
        said = planned(line, request, tell)
        if request["what"] == "prune":
            ends.nightly = [entry(LAST + timedelta(days=1))]
            ends.held[ends.nightly[0].archive] = ends.nightly[0].id
        return said

    sys.modules["orchestrator.backup.prune"].work = night  # type: ignore[attr-defined]
    pruned(environment)
    assert days_of(ends.held) == ["11-25", "11-26", "11-27"]
    assert ends.compacted == 1


def test_backups_that_are_not_well_lose_nothing(ends: Ends, environment: Any) -> None:
    ends.faults = ("the last archive holds 1 bytes, the one before 1000",)
    with pytest.raises(PasInfraError, match="is not as it should be, and nothing is dropped: the"):
        pruned(environment)
    assert ends.asked == []


def test_room_is_made_once(ends: Ends, environment: Any) -> None:
    pruned(environment)
    pruned(environment)
    assert ends.compacted == 1


def test_what_comes_to_light_late_is_not_believed(environment: Any) -> None:
    """An archive that was not there when a later one was: it is told each time, and never kept."""
    late = entry(LAST - timedelta(days=2) + timedelta(hours=7))
    catalogue = catalogue_of(environment, "rbx7")
    for _ in range(2):
        assert catalogue.remember([late, entry(LAST + timedelta(days=1))]) == [
            f"system::{late.archive}"
        ]
    assert late not in catalogue.of("system")
    assert len(catalogue.of("system")) == 5
    # Of a control node that knows nothing yet, everything is new.
    catalogue.entries = []
    assert catalogue.remember([*nightly(4), late]) == []
