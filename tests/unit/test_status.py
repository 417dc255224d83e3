"""The morning: what each state of store and environment comes to, and that nothing else moves."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from morning import CERTIFICATE, CHECKED, INVENTORY, SIGHTING, Morning, morning_of
from report_store import NOW, Said, everywhere
from small_environment import write_small

from orchestrator.backup.entries import directory_of
from orchestrator.catalogue import Catalogue as Measures
from orchestrator.catalogue import load_catalogue
from orchestrator.environment import Waiver, load_environment
from orchestrator.exit_codes import ExitCode
from orchestrator.offboardings import CERTIFICATE as CERTIFIED
from orchestrator.offboardings import Journal
from orchestrator.offboardings import directory_of as offboardings_of
from orchestrator.records import MeasureState, RunStatus, TaskStatus, Verdict
from orchestrator.status import Level, Point, Subject, status_of
from orchestrator.status.subject import age

SUBJECTS = (
    "measures", "drift", "backups", "restore tests", "certificates", "vulnerabilities",
    "inventory", "registers", "access reviews", "waivers", "offboardings",
)  # fmt: skip
RECORDED = ("measures", "drift", "restore tests", "vulnerabilities", "inventory")
TODAY = NOW.date()
CODES = {
    Level.OK: ExitCode.OK, Level.ATTENTION: ExitCode.FINDINGS, Level.ALARM: ExitCode.FINDINGS,
    Level.UNKNOWN: ExitCode.INCOMPLETE,
}  # fmt: skip
Change = Callable[[Morning], object]


def waiver(days: int) -> Change:
    ends = Waiver("rule", "Why", "What instead", "A. Martin", TODAY + timedelta(days=days), None)
    return lambda m: m.declare(waivers=(ends,))


def accepted(until: str) -> Change:
    return lambda m: m.drift(replace(SIGHTING, accepted_until=until))


def certificate(days: float, *faults: str) -> Change:
    ends = NOW + timedelta(days=days)
    return lambda m: m.see_certificates(replace(CERTIFICATE, ends=ends, faults=faults))


def after(*changes: Change) -> Change:
    """One after the other."""

    def change(morning: Morning) -> None:
        for one in changes:
            one(morning)

    return change


def spoil(name: str) -> Change:
    def change(morning: Morning) -> None:
        (file,) = morning.store.parent.rglob(name)
        file.write_text("nonsense")

    return change


def unreadable(name: str) -> Change:
    """A directory, which root may not read as a file either."""

    def change(morning: Morning) -> None:
        (morning.store / name).unlink()
        (morning.store / name).mkdir()

    return change


def begin_offboarding(morning: Morning, *, certified: bool = False) -> Path:
    journal = Journal.begin(morning.environment, morning.environment.clients[0], "a.martin")
    journal.keep("confirmed", (NOW - timedelta(hours=5)).isoformat(), 1)
    if certified:
        journal.file.with_name(f"{journal.file.stem}{CERTIFIED}").write_text("{}")
    return journal.file


def spoil_offboarding(morning: Morning) -> None:
    begin_offboarding(morning, certified=True).write_text('{"steps": 1}')


def end_contract(morning: Morning) -> None:
    first, *others = morning.environment.clients
    morning.declare(clients=(replace(first, contract_ended=date(2026, 1, 1)), *others))


def forget(what: str) -> Change:
    def change(morning: Morning) -> None:
        path = morning.store / what
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def inventory(
    status: RunStatus = RunStatus.OK, message: str = INVENTORY, hours: float = 1, **options: Any
) -> Change:
    return lambda m: m.run("inventory", status, message, hours=hours, **options)


ROGUE = "not as declared: rbx7: interface eno2"
ALONE = "1 host, 400 packages, 0 programs of no package"

# What changes, of which subject, how much that matters, and what its line says.
CHANGES: dict[str, tuple[Change, str, Level, str]] = {
    "nothing": (lambda m: None, "measures", Level.OK, "3 of 3 measures are kept"),
    "fails on one host": (
        lambda m: m.verify(sysfab=Verdict.FAILS), "measures", Level.ALARM,
        "1 partly kept: 6.2.1",
    ),
    "fails everywhere": (
        lambda m: m.verify(Verdict.FAILS), "measures", Level.ALARM,
        "3 not kept: 5.4.1, 5.5.2, 6.2.1",
    ),
    "could not tell": (
        lambda m: m.verify(sysfab=Verdict.UNMEASURED), "measures", Level.UNKNOWN,
        "1 unmeasured (could not tell): 6.2.1",
    ),
    "waived once, and no more": (
        lambda m: m.verify(sysfab=Verdict.WAIVED), "measures", Level.ALARM, "1 partly kept",
    ),
    "drift, new": (
        lambda m: m.drift(SIGHTING), "drift", Level.ATTENTION, "rbx7: 1 found, 1 new",
    ),
    "drift, grave": (
        lambda m: m.drift(replace(SIGHTING, severity=3)), "drift", Level.ALARM, "1 found",
    ),
    "drift, known": (
        after(lambda m: m.drift(SIGHTING, hours=3), lambda m: m.drift(SIGHTING)), "drift",
        Level.ATTENTION, "rbx7: 1 found, 0 new",
    ),
    "drift, gone": (
        after(lambda m: m.drift(SIGHTING, hours=3), lambda m: m.drift()), "drift", Level.OK,
        "none on 3 hosts, 97 % seen",
    ),
    "drift, accepted": (accepted("2026-11-26"), "drift", Level.OK, "none on 3 hosts"),
    "drift, accepted until yesterday": (
        accepted("2026-11-25"), "drift", Level.ATTENTION, "rbx7: 1 found",
    ),
    "drift, incomplete": (
        lambda m: m.drift(complete=False), "drift", Level.UNKNOWN,
        "rbx7: incomplete: no answer over SSH (+2)",
    ),
    "drift, of some roles": (
        lambda m: m.drift(SIGHTING, complete=False, roles=["ssh"], hours=1), "drift",
        Level.ATTENTION, "rbx7: 1 found",
    ),
    "backups, late": (
        lambda m: m.back_up(hours=28), "backups", Level.ALARM, "the last archive is 28 h old (+3)",
    ),
    "backups, in time": (
        lambda m: m.back_up(hours=25), "backups", Level.OK, "4 data sets, within 25 h",
    ),
    "backups, nobody has asked since": (
        lambda m: m.back_up(hours=30, asked=NOW - timedelta(hours=9)), "backups", Level.UNKNOWN,
        "rbx7/system: nobody has asked for 9 h (+7)",
    ),
    "backups, nobody knows who asked": (
        lambda m: m.back_up(hours=30, asked=None), "backups", Level.UNKNOWN,
        "nobody has asked (+7)",
    ),
    "backups, none": (
        lambda m: m.back_up(entries=[]), "backups", Level.ALARM, "no archive (+3)",
    ),
    "backups, crowded": (
        lambda m: m.back_up(crowded=["system"]), "backups", Level.ATTENTION,
        "the target has made no room yet (+1)",
    ),
    "backups, damaged": (
        lambda m: m.back_up(checks={"system": {**CHECKED, "damaged": ["segment 3"]}}), "backups",
        Level.ALARM, "its last check found damage: segment 3",
    ),
    "backups, never looked through": (
        lambda m: m.back_up(checks={}), "backups", Level.ATTENTION,
        "it was never looked through for damage (+3)",
    ),
    "backups, nobody asked": (
        forget("backup/rbx7.json"), "backups", Level.UNKNOWN, "rbx7/system: nobody has asked (+2)",
    ),
    "backups, a catalogue that is none": (
        spoil("bastion.json"), "backups", Level.UNKNOWN, "no catalogue of backups any more",
    ),
    "restore tests, failed": (
        lambda m: m.test_restores(TaskStatus.FAILED, RunStatus.FINDINGS, days=2), "restore tests",
        Level.ALARM, "rbx7/system: failed 48 h ago: 200 files restored (+3)",
    ),
    "restore tests, passed since": (
        after(
            lambda m: m.test_restores(TaskStatus.FAILED, RunStatus.FINDINGS, days=2),
            lambda m: m.test_restores(days=1),
        ),
        "restore tests", Level.OK, "4 data sets passed, within 24 h",
    ),
    "restore tests, cut short": (
        lambda m: m.test_restores(TaskStatus.FAILED, RunStatus.INTERRUPTED, days=1),
        "restore tests", Level.OK, "4 data sets passed, within 9 d",
    ),
    "restore tests, long ago": (
        lambda m: m.test_restores(days=36), "restore tests", Level.ATTENTION,
        "last tested 36 d ago (+3)",
    ),
    "certificates, ended": (
        certificate(-1), "certificates", Level.ALARM, "rbx7: 1 have ended: CN=web",
    ),
    "certificates, ending": (
        certificate(20), "certificates", Level.ATTENTION, "CN=web, 2026-12-16",
    ),
    "certificates, in time": (
        certificate(22), "certificates", Level.OK, "the first ends on 2026-12-18 (rbx7, CN=web)",
    ),
    "certificates, weak": (
        certificate(80, "it has a weak key: RSA 1024"), "certificates", Level.ATTENTION, "CN=web",
    ),
    "certificates, long ago": (
        lambda m: m.see_certificates(CERTIFICATE, days=8), "certificates", Level.UNKNOWN,
        "rbx7: the last look is 8 d old (+2)",
    ),
    "certificates, nobody looked": (
        forget("certificates.json"), "certificates", Level.UNKNOWN, "rbx7: nobody has looked (+2)",
    ),
    "certificates, no such list": (
        spoil("certificates.json"), "certificates", Level.UNKNOWN, "no list of certificates",
    ),
    "certificates, a list that may not be read": (
        unreadable("certificates.json"), "certificates", Level.UNKNOWN,
        "this machine refused: Is a directory: /",
    ),
    "vulnerabilities, open": (
        lambda m: m.run("vulns", RunStatus.FINDINGS, "4 open on 3 hosts, 1 decided on", hours=1),
        "vulnerabilities", Level.ATTENTION, "4 open on 3 hosts, 1 decided on (1 h ago)",
    ),
    "vulnerabilities, a host missing": (
        lambda m: m.run("vulns", RunStatus.INCOMPLETE, "sysfab: no answer", hours=1),
        "vulnerabilities", Level.OK, "0 open on 3 hosts, 0 decided on (2 h ago)",
    ),
    "vulnerabilities, grave ones only": (
        after(
            lambda m: m.run("vulns", RunStatus.FINDINGS, "4 open on 3 hosts, 0 decided on",
                            hours=2, min_severity="low"),
            lambda m: m.run("vulns", message="0 open on 3 hosts", hours=1, min_severity="high"),
        ),
        "vulnerabilities", Level.ATTENTION, "4 open on 3 hosts, 0 decided on (2 h ago)",
    ),
    "inventory, taken": (
        inventory(), "inventory", Level.OK, f"{INVENTORY} (1 h ago)",
    ),
    "inventory, of what nobody has declared": (
        inventory(RunStatus.FINDINGS, f"{INVENTORY}; {ROGUE}"), "inventory", Level.ALARM,
        f"{ROGUE} (1 h ago)",
    ),
    "inventory, of which one host was looked at again": (
        after(
            inventory(RunStatus.FINDINGS, f"{INVENTORY}; {ROGUE}"),
            inventory(message=ALONE, hosts=["sysfab"]),
        ),
        "inventory", Level.ALARM, f"rbx7, bastion: {ROGUE} (1 h ago)",
    ),
    "inventory, a host missing": (
        inventory(RunStatus.INCOMPLETE, "2 hosts; sysfab: no answer"), "inventory",
        Level.UNKNOWN, "incomplete: sysfab: no answer (1 h ago)",
    ),
    "inventory, broken off": (
        inventory(RunStatus.INTERRUPTED, "Ctrl-C"), "inventory", Level.UNKNOWN,
        "interrupted: Ctrl-C (1 h ago)",
    ),
    "inventory, of what nobody has declared, and with a host missing since": (
        after(
            inventory(RunStatus.FINDINGS, f"{INVENTORY}; {ROGUE}", hours=1.5),
            inventory(RunStatus.INCOMPLETE, f"{INVENTORY}; {ROGUE}; sysfab: no answer"),
        ),
        "inventory", Level.UNKNOWN, f"incomplete: {ROGUE}; sysfab: no answer (1 h ago)",
    ),
    "registers, a year later": (
        lambda m: m.declare(registers_as_of=date(2028, 6, 1)), "registers", Level.ATTENTION, "(+",
    ),
    "waivers, ended": (waiver(-1), "waivers", Level.ALARM, "rule: ended on 2026-11-25"),
    "waivers, last day": (waiver(0), "waivers", Level.ATTENTION, "rule: ends on 2026-11-26"),
    "waivers, soon": (waiver(30), "waivers", Level.ATTENTION, "rule: ends on 2026-12-26"),
    "waivers, later": (waiver(31), "waivers", Level.OK, "1, none ends within 30 days"),
    "offboardings, begun": (
        begin_offboarding, "offboardings", Level.ATTENTION,
        "alpha: begun 5 h ago, no certificate yet",
    ),
    "offboardings, certified": (
        lambda m: begin_offboarding(m, certified=True), "offboardings", Level.OK, "none is open",
    ),
    "offboardings, due": (
        end_contract, "offboardings", Level.ATTENTION, "alpha: to be erased since 2026-",
    ),
}  # fmt: skip
# What also moves, and rightly so.
ALSO = {"registers, a year later": {"access reviews"}}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_turns_its_subject_and_no_other(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, subject, level, said = CHANGES[name]
    morning = morning_of(tmp_path, monkeypatch)
    change(morning)
    status = morning.status()
    found = {one.name: one for one in status.subjects}
    assert set(found) == set(SUBJECTS)
    assert (found[subject].level, said in found[subject].headline) == (level, True), found[subject]
    others = {one.name: one for one in status.subjects if one.name != subject}
    worse = {name for name, one in others.items() if one.level is not Level.OK}
    assert worse == ALSO.get(name, set())
    assert status.level is level
    assert status.exit_code is CODES[level]
    if level is not Level.OK:
        assert status.subjects[0].name == subject
        assert found[subject].next_step.startswith(("pas-infra ", "$EDITOR "))


def test_a_journal_that_is_none_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backups need it too: of whoever is leaving there are none."""
    morning = morning_of(tmp_path, monkeypatch)
    spoil_offboarding(morning)
    status = morning.status()
    unknown = {one.name for one in status.subjects if one.level is Level.UNKNOWN}
    assert unknown == {"offboardings", "backups", "restore tests"}
    assert status.exit_code is ExitCode.INCOMPLETE


LATER = {  # days: what is not known any more
    1: {"backups"},
    2: {"backups", "drift", "vulnerabilities", "inventory"},
    9: {"backups", "drift", "measures", "certificates", "vulnerabilities", "inventory"},
}


@pytest.mark.parametrize("days", LATER)
def test_what_was_well_is_not_so_for_ever(
    days: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = morning_of(tmp_path, monkeypatch).status(NOW + timedelta(days=days))
    assert {one.name for one in status.subjects if one.level is Level.UNKNOWN} == LATER[days]


def test_nothing_is_known_where_the_clock_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = morning_of(tmp_path, monkeypatch).status(NOW - timedelta(days=2))
    unknown = {one.name for one in status.subjects if one.level is Level.UNKNOWN}
    assert unknown >= {"drift", "measures", "certificates", "vulnerabilities", "inventory"}
    # What people have entered since is of the future, too.
    assert unknown >= {"registers", "access reviews"}


def test_where_nothing_was_recorded_nothing_is_known_or_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch, well=False)
    status = morning.status()
    levels = {one.name: one.level for one in status.subjects}
    for name in (*RECORDED, "backups", "certificates"):
        assert levels[name] is Level.UNKNOWN, name
    assert (status.level, status.exit_code) == (Level.UNKNOWN, ExitCode.INCOMPLETE)
    assert not morning.store.exists()
    for host in status.hosts:
        assert (host.whole, host.drift, host.counts[MeasureState.UNMEASURED]) == (None, None, 2)
    assert all(
        set(states) == {MeasureState.UNMEASURED}
        for one in status.chapters
        if (states := [state for state, count in one.counts.items() if count])
    )


@pytest.mark.parametrize("content", ["nonsense", ""])
def test_a_store_that_cannot_be_read_is_unknown_and_hides_nothing_else(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch)
    file = morning.store / "pas-infra.sqlite"
    for each in morning.store.glob("pas-infra.sqlite-*"):
        each.unlink()
    file.write_text(content)
    status = morning.status()
    assert {one.name for one in status.subjects if one.level is Level.UNKNOWN} == set(RECORDED)
    assert status.exit_code is ExitCode.INCOMPLETE
    if content:
        (drift,) = [one for one in status.subjects if one.name == "drift"]
        assert (drift.headline, drift.next_step) == (
            "the store cannot be used: file is not a database", "pas-infra history",
        )  # fmt: skip


def test_a_store_that_may_not_be_looked_for_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch)
    shutil.rmtree(morning.store)
    morning.store.write_text("no directory")
    status = morning.status()
    for one in status.subjects:
        if one.name in RECORDED:
            assert (one.level, "Not a directory" in one.headline) == (Level.UNKNOWN, True), one


def test_a_register_that_cannot_be_read_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    directory = write_small(tmp_path / "small")
    environment = load_environment(directory)
    (directory / "registers").mkdir()
    file = directory / "registers/risks.yml"
    file.write_text("- {date: today}\n")
    status = status_of(environment, max_age=timedelta(days=7), now=NOW)
    found = {one.name: one for one in status.subjects}
    assert set(found) == set(SUBJECTS)
    for name in ("registers", "access reviews"):
        assert found[name].level is Level.UNKNOWN
        assert f"{file}:1: " in found[name].headline
        assert found[name].next_step == "pas-infra register check"
    file.unlink()
    file.mkdir()
    status = status_of(environment, max_age=timedelta(days=7), now=NOW)
    found = {one.name: one for one in status.subjects}
    assert (found["registers"].level, str(file) in found["registers"].headline) == (
        Level.UNKNOWN, True,
    )  # fmt: skip


def test_a_row_that_is_no_record_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch)
    sqlite = pytest.importorskip("sqlite3")
    with sqlite.connect(morning.store / "pas-infra.sqlite") as connection:
        connection.execute("UPDATE drift_hosts SET why = 'nonsense'")
    connection.close()
    status = morning.status()
    assert [one.name for one in status.subjects if one.level is not Level.OK] == ["drift"]
    assert "a record cannot be read" in status.subjects[0].headline


def test_hosts_and_chapters_say_where_their_measures_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch)
    morning.verify(sysfab=Verdict.FAILS)
    status = morning.status()
    kept = {one.name: one.counts[MeasureState.KEPT] for one in status.hosts}
    assert kept == {"rbx7": 2, "sysfab": 1, "bastion": 2}
    partly = {one.name: one.counts[MeasureState.PARTLY] for one in status.hosts}
    assert partly == {"rbx7": 0, "sysfab": 1, "bastion": 0}
    assert {one.number: sum(one.counts.values()) for one in status.chapters} == {"5": 2, "6": 1}
    assert {one.whole for one in status.hosts} == {NOW - timedelta(minutes=5)}


def test_a_full_kernel_is_missing_in_a_lab_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch)
    silent = (Verdict.UNMEASURED, "needs a full kernel: this host is a container")
    said: dict[tuple[str, str], Said | list[Said]] = {("lab", "review"): Verdict.HOLDS}
    for host in ("rbx7", "sysfab", "bastion"):
        said |= {(host, "ciphers"): silent, (host, "root"): Verdict.HOLDS}
    morning.desk.run(said)
    assert morning.status().level is Level.OK
    morning.declare(kind="production")
    status = morning.status()
    (measures,) = [one for one in status.subjects if one.name == "measures"]
    assert measures.headline == "2 unmeasured (needs a full kernel): 5.5.2, 6.2.1"
    assert measures.level is Level.UNKNOWN


def test_what_no_look_can_prove_names_what_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run changes nothing of it, and the next that nobody has looked at still shows."""
    morning = morning_of(tmp_path, monkeypatch)
    every = load_catalogue()
    held_back = tuple(
        replace(each, unproven="Whence people log in.") if each.number == "5.4.1" else each
        for each in every
        if each.number in ("5.4.1", "5.5.2", "6.2.1")
    )
    monkeypatch.setattr(
        "orchestrator.status.gather.load_catalogue", lambda: Measures(every.chapters, held_back)
    )
    monkeypatch.setattr("orchestrator.catalogue.state._unproven", lambda: frozenset({"5.4.1"}))
    (measures,) = [one for one in morning.status().subjects if one.name == "measures"]
    assert (measures.level, measures.next_step) == (Level.ATTENTION, "pas-infra measures 5.4.1")
    assert measures.headline == "1 unmeasured (declared only): 5.4.1"
    silent = (Verdict.UNMEASURED, "needs a full kernel: this host is a container")
    morning.desk.run({**everywhere(), ("lab", "review"): silent})
    morning.declare(kind="production")
    (measures,) = [one for one in morning.status().subjects if one.name == "measures"]
    assert measures.headline == "1 unmeasured (needs a full kernel): 5.4.1"
    assert (measures.level, measures.next_step) == (Level.UNKNOWN, "pas-infra verify")
    morning.verify(sysfab=Verdict.UNMEASURED)
    (measures,) = [one for one in morning.status().subjects if one.name == "measures"]
    assert (measures.level, measures.next_step) == (Level.UNKNOWN, "pas-infra verify")


def test_of_what_nothing_is_said_nothing_is_known() -> None:
    assert Subject("drift", ()).level is Level.UNKNOWN
    assert Subject("drift", (Point(Level.OK, "well"),)).level is Level.OK


def test_an_unknown_outweighs_an_alarm_in_the_code_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch)
    waiver(-1)(morning)
    forget("certificates.json")(morning)
    status = morning.status()
    assert [one.name for one in status.subjects][:2] == ["waivers", "certificates"]
    assert (status.level, status.exit_code) == (Level.ALARM, ExitCode.INCOMPLETE)


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0.5, "30 min"), (-0.5, "0 min"), (1, "1 h"), (71.9, "71 h"), (72, "3 d"), (-2, "?")],
)
def test_ages_are_rounded_down(hours: float, said: str) -> None:
    assert age(NOW - timedelta(hours=hours), NOW) == said


def test_a_catalogue_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look changes nothing beside the store either."""
    morning = morning_of(tmp_path, monkeypatch)
    before = {file: file.read_bytes() for file in directory_of(morning.environment).glob("*.json")}
    morning.status()
    assert {file: file.read_bytes() for file in before} == before
    assert not offboardings_of(morning.environment).exists()
    assert json.loads((morning.store / "certificates.json").read_text())
