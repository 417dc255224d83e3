"""Where measures stand, what the past was, and what the evidence's sum binds."""

import json
import re
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from report_store import HOSTS, NOW, Desk, Ran, desk_of, everywhere

from orchestrator.environment import Waiver
from orchestrator.errors import PasInfraError
from orchestrator.records import CheckResult, MeasureState, Run, RunStatus, Verdict
from orchestrator.report import Edition, past
from orchestrator.report.evidence import canonical, digest
from orchestrator.report.past import states_as_option
from orchestrator.report.standing import Silence, Standing
from orchestrator.store import Store

ROOT = Path(__file__).parents[2]
HOLDS, FAILS, UNMEASURED, WAIVED = (
    Verdict.HOLDS,
    Verdict.FAILS,
    Verdict.UNMEASURED,
    Verdict.WAIVED,
)
KERNEL = (UNMEASURED, "needs a full kernel: this host is a container")
BROKE = (UNMEASURED, "the check broke down: ValueError()")
ONLY_RBX7 = {("rbx7", "root"): HOLDS, ("rbx7", "ciphers"): HOLDS, ("lab", "review"): HOLDS}
UNTIL = date(2026, 12, 31)
WAIVER = Waiver("test_ssh.py::test_root", "a reason", "a guard", "the boss", UNTIL, None)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk_of(tmp_path, monkeypatch)


def standing(desk: Desk, number: str) -> Standing:
    return next(one for one in desk.gather().standings if one.number == number)


@pytest.mark.parametrize(
    ("runs", "state", "silences"),
    [
        pytest.param([(everywhere(), {"days": 6.9})], MeasureState.KEPT, {}, id="all hold"),
        pytest.param(
            [(everywhere(sysfab=FAILS), {})], MeasureState.PARTLY, {}, id="one host of three"
        ),
        pytest.param([(everywhere(FAILS), {})], MeasureState.NOT_KEPT, {}, id="none"),
        pytest.param(
            [(everywhere(rbx7=KERNEL, sysfab=BROKE, bastion=(UNMEASURED, "nothing is there")), {})],
            MeasureState.UNMEASURED,
            {Silence.KERNEL: 1, Silence.BROKE: 1, Silence.UNCLEAR: 1},
            id="silence has reasons",
        ),
        pytest.param(
            [(everywhere(rbx7=KERNEL, sysfab=FAILS), {})],
            MeasureState.PARTLY,
            {Silence.KERNEL: 1},
            id="a failure outweighs silence",
        ),
        pytest.param(
            [(everywhere(FAILS), {"days": 2}), (everywhere(), {"days": 1})],
            MeasureState.KEPT,
            {},
            id="the last run counts",
        ),
        pytest.param(
            [(everywhere(), {"days": 2}), ({("rbx7", "root"): FAILS}, {"measures": ["6.2.1"]})],
            MeasureState.PARTLY,
            {},
            id="a narrow run renews what it looked at",
        ),
        pytest.param(
            [(everywhere(), {"days": 8}), ({("rbx7", "root"): HOLDS}, {"measures": ["6.2.1"]})],
            MeasureState.UNMEASURED,
            {Silence.STALE: 5},
            id="the rest is too old",
        ),
        pytest.param(
            [(everywhere(FAILS), {"days": 30})], MeasureState.NOT_KEPT, {}, id="failed long ago"
        ),
        pytest.param(
            [(everywhere(), {"days": -2})],
            MeasureState.UNMEASURED,
            {Silence.STALE: 6},
            id="held in two days' time",
        ),
        pytest.param(
            [({("rbx7", "root"): HOLDS}, {"measures": ["6.2.1"]})],
            MeasureState.UNMEASURED,
            {Silence.NEVER: 5},
            id="never looked at everywhere",
        ),
        pytest.param(
            [({("rbx7", "root"): HOLDS, ("rbx7", "ciphers"): HOLDS}, {"hosts": ["rbx7"]})],
            MeasureState.UNMEASURED,
            {Silence.NEVER: 4},
            id="hosts that no run has reached",
        ),
        pytest.param(
            [({(host, "root"): HOLDS for host in HOSTS}, {})],
            MeasureState.KEPT,
            {},
            id="what a whole run leaves out is not asked",
        ),
        pytest.param(
            [(everywhere(FAILS), {"days": 1}), ({(host, "root"): HOLDS for host in HOSTS}, {})],
            MeasureState.KEPT,
            {},
            id="and not asked any more, whatever it said before",
        ),
        pytest.param(
            [
                (everywhere(sysfab=FAILS), {"days": 2}),
                (ONLY_RBX7, {"days": 1, "hosts": ["rbx7"]}),
            ],
            MeasureState.PARTLY,
            {},
            id="of each host its own last whole run",
        ),
        pytest.param(
            [
                (everywhere(sysfab=FAILS), {"days": 3}),
                ({each: HOLDS for each in everywhere() if each != ("sysfab", "root")}, {"days": 2}),
                (ONLY_RBX7, {"days": 1, "hosts": ["rbx7"]}),
            ],
            MeasureState.KEPT,
            {},
            id="and what that left out is not asked of it",
        ),
        pytest.param(
            [
                ({("sysfab", "root"): FAILS}, {"days": 2, "roles": ["ssh"]}),
                (ONLY_RBX7, {"days": 1, "hosts": ["rbx7"]}),
            ],
            MeasureState.PARTLY,
            {Silence.NEVER: 3},
            id="a host that had none is known by what there is of it",
        ),
        pytest.param(
            [({**everywhere(), ("rbx7", "gone"): FAILS, ("old", "root"): FAILS}, {})],
            MeasureState.KEPT,
            {},
            id="a check and a host that are no more",
        ),
        pytest.param(
            [({**everywhere(), ("rbx7", "root"): [HOLDS, FAILS]}, {})],
            MeasureState.PARTLY,
            {},
            id="one check, two parameters",
        ),
    ],
)
def test_where_a_measure_stands(
    desk: Desk,
    runs: list[tuple[Ran, dict[str, object]]],
    state: MeasureState,
    silences: dict[Silence, int],
) -> None:
    for said, options in runs:
        desk.run(said, **options)  # type: ignore[arg-type]
    found = standing(desk, "6.2.1")
    assert (found.state, found.silences) == (state, silences)


def test_what_nothing_proves_is_unmeasured_and_says_why(desk: Desk) -> None:
    desk.run(everywhere())
    found = {one.number: one for one in desk.gather().standings}
    assert len(found) == 73
    assert found["1.2.1"].silences == {Silence.NO_RECORD: 0}
    assert found["6.1.1"].silences == {Silence.NO_CHECK: 0}
    assert {n for n, one in found.items() if one.state is MeasureState.KEPT} == {
        "5.4.1", "5.5.2", "6.2.1",
    }  # fmt: skip
    for one in found.values():
        assert one.evidence if one.state is MeasureState.KEPT else one.silences


@pytest.mark.parametrize(
    ("waiver", "state"),
    [
        (WAIVER, MeasureState.WAIVED),
        (replace(WAIVER, until=NOW.date()), MeasureState.WAIVED),
        (replace(WAIVER, until=date(2026, 11, 25)), MeasureState.PARTLY),
        (replace(WAIVER, hosts=("sysfab",)), MeasureState.PARTLY),
        (replace(WAIVER, rule="test_ssh.py::test_ciphers"), MeasureState.PARTLY),
    ],
)
def test_a_waiver_counts_while_it_lasts(desk: Desk, waiver: Waiver, state: MeasureState) -> None:
    desk.environment = replace(desk.environment, waivers=(waiver,))
    desk.run(everywhere(rbx7=WAIVED))
    found = standing(desk, "6.2.1")
    assert found.state is state
    assert list(found.waivers) == ([waiver] if state is MeasureState.WAIVED else [])


def test_turning_one_thing_off_turns_its_measure_and_no_other(desk: Desk) -> None:
    desk.run(everywhere(), days=1)
    before = {one.number: one.state for one in desk.gather().standings}
    desk.run(everywhere(sysfab=FAILS))
    after = {one.number: one.state for one in desk.gather().standings}
    assert {n: after[n] for n in after if after[n] != before[n]} == {"6.2.1": MeasureState.PARTLY}


def test_a_look_at_a_part_says_nothing_of_the_rest(desk: Desk) -> None:
    desk.run(everywhere(), days=2)
    whole = desk.run({}, days=1, command="drift")
    desk.run({}, command="drift", roles=["time"])
    desk.run({}, command="drift", hosts=["bastion"])
    watched = desk.run({}, days=1, command="vulns", min_severity="low")
    desk.run({}, command="vulns", min_severity="high")
    found = desk.gather().operations
    assert {name: run.id for name, run in found.items() if run} == {
        "drift": whole, "vulns": watched
    }  # fmt: skip


def test_the_trend_has_a_gap_where_a_host_is_missing(desk: Desk) -> None:
    alone = {key: HOLDS for key in everywhere() if key[0] != "sysfab"}
    runs = [
        desk.run(everywhere(), days=400),  # before the year
        desk.run(everywhere(), days=4),
        desk.run(alone, days=3),
        desk.run({("rbx7", "root"): FAILS}, days=2, measures=["6.2.1"]),
        desk.run({}, days=2, command="apply"),
        desk.run(everywhere(sysfab=FAILS), days=1, command="apply"),
    ]
    points = desk.gather().points
    assert [point.run.id for point in points] == [runs[1], runs[2], runs[5]]
    assert points[1].counts is None
    assert points[0].counts
    assert points[2].counts
    assert (points[0].counts["kept"], points[2].counts["kept"]) == (3, 2)  # type: ignore[index]
    assert all(sum(point.counts.values()) == 73 for point in points if point.counts)


def test_a_long_trend_has_one_point_a_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "DENSE", 5)
    runs = [desk.run(everywhere(), days=days) for days in (3, 2.9, 2, 1.9, 1, 0.9)]
    assert [point.run.id for point in desk.gather().points] == runs[1::2]


def test_a_report_is_compared_with_the_last_one_of_its_kind(desk: Desk) -> None:
    def report(edition: str, status: RunStatus = RunStatus.OK) -> None:
        options = {
            "edition": edition,
            "lang": "fr",
            "states": states_as_option(desk.gather().standings),
        }
        with Store.open(desk.environment.store_directory, "lab") as store:
            run = store.begin(
                past.COMMAND, who="x", control_node="x", pid=1, commit="", options=options, now=NOW
            )
            store.finish(run, status, "", NOW)

    desk.run(everywhere(FAILS), days=3)
    assert desk.gather().before is None
    report("client")
    desk.run(everywhere(), days=2)
    report("internal")
    report("client", RunStatus.FAILED)
    material = desk.gather()
    assert {(c.standing.number, c.before, c.standing.state) for c in material.changes} == {
        (number, MeasureState.NOT_KEPT, MeasureState.KEPT) for number in ("5.4.1", "5.5.2", "6.2.1")
    }
    assert desk.gather(Edition.INTERNAL).changes == ()


def test_the_sum_binds_every_field(desk: Desk) -> None:
    run = Run(7, "verify", "lab", "w", "n", 1, "", {}, "2026-11-26T05:00:00Z", None,
              RunStatus.OK, "")  # fmt: skip
    check = CheckResult("rbx7", "t.py::a", "é « a »", ("6.2.1",), HOLDS, "x\ty", 0.25)
    line = canonical(run, check)
    assert line == (
        '{"check":"t.py::a","host":"rbx7","measures":["6.2.1"],"message":"x\\ty","run":7,'
        '"started":"2026-11-26T05:00:00Z","title":"é « a »","verdict":"holds"}'
    )
    assert canonical(run, replace(check, duration=9.0)) == line
    others = [
        canonical(replace(run, id=8), check),
        canonical(replace(run, started="2026-11-26T05:00:01Z"), check),
        *(
            canonical(run, replace(check, **{field: value}))  # type: ignore[arg-type]
            for field, value in {
                "host": "sysfab",
                "check": "t.py::b",
                "title": "b",
                "measures": ("6.2.2",),
                "verdict": FAILS,
                "message": "",
            }.items()
        ),
    ]
    sums = {digest([line]), digest([]), digest([line, *others]), *(digest([o]) for o in others)}
    assert len(sums) == 3 + len(others)
    assert digest([line, *others]) == digest([*reversed(others), line, line])


def test_the_query_of_the_page_gives_the_same_sum(desk: Desk) -> None:
    """Whoever checks the evidence has the page, sqlite3, sort and sha256sum only."""
    desk.run(everywhere(), days=2)
    desk.run(everywhere(FAILS, sysfab=(FAILS, 'un été\n\x1b[31m\x7f \u2028 \\ "é"')), days=1)
    desk.run({("rbx7", "root"): HOLDS}, measures=["6.2.1"])
    page = (ROOT / "docs/how-to/report.md").read_text("utf-8")
    query = re.search(r"<<'SQL' .*?\n(.*?)\nSQL", page, re.DOTALL)
    assert query, "docs/how-to/report.md has no query"
    file = desk.environment.store_directory / "pas-infra.sqlite"
    with sqlite3.connect(file) as connection:
        rows = [row[0] for row in connection.execute(query[1])]
    measure = standing(desk, "6.2.1")
    assert set(rows) == set(measure.evidence)
    assert [json.loads(row) for row in rows]


def test_no_run_yet_is_an_error_that_says_what_to_do(desk: Desk) -> None:
    with pytest.raises(PasInfraError, match="no run of lab has looked at a check yet") as error:
        desk.gather()
    assert error.value.next_step == "pas-infra verify --env lab"
