"""An inventory, taken: what is kept, compared and recorded, the command, and its checks."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from inventory_of import DISK, ETH0, OPENSSL, TREE, of_environment
from register_checks import called

from orchestrator.cli import run as run_command
from orchestrator.environment import load_environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.inventory import take
from orchestrator.inventory.equipment import Equipment, Program
from orchestrator.inventory.standing import standing
from orchestrator.inventory.take import Inventory, take_inventory
from orchestrator.paths import project_root
from orchestrator.records import RunStatus
from orchestrator.selection import select
from orchestrator.store import Store

HOSTS = ("rbx7", "sysfab", "bastion")
DUMMY = replace(ETH0, name="dummy0", kind="dummy", physical=False, mac="02::d", addresses=())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's environment, with a store of its own and hosts that are as it declares."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    directory = tmp_path / "lab"
    shutil.copytree(project_root() / "inventories/lab", directory)
    monkeypatch.setattr(take, "connections", lambda _, names: names)
    monkeypatch.setattr(take, "variables", lambda _, names, asked: disks_of(names, asked[0]))
    answers(monkeypatch)
    return directory


def disks_of(names: list[str], variable: str) -> dict[str, dict[str, object]]:
    declared = {"rbx7": [{"serial": "RBX7-A"}, {"serial": "RBX7-B"}]}
    return {name: {variable: declared.get(name)} for name in names}


def answers(
    monkeypatch: pytest.MonkeyPatch, missing: Mapping[str, str] | None = None, **parts: Any
) -> None:
    """Hosts are asked in the end-to-end test; here they have answered, rbx7 with other parts."""

    def collect(environment: Any, names: list[str]) -> tuple[dict[str, Equipment], dict[str, str]]:
        asked = [name for name in names if name not in (missing or {})]
        there = {
            name: of_environment(environment, name, **(parts if name == "rbx7" else {}))
            for name in asked
        }
        return there, dict(missing or {})

    monkeypatch.setattr(take, "collect", collect)


def taken(lab: Path, *limit: str, now: datetime | None = None) -> Inventory:
    environment = load_environment(lab)
    return take_inventory(environment, select(environment, limit=limit), now or datetime.now(UTC))


def nothing_is_known(lab: Path) -> bool:
    return all(one.last is None for one in standing(load_environment(lab), datetime.now(UTC)))


def told(inventory: Inventory) -> list[str]:
    return [f"{one.host}: {one.change} {one.kind} {one.name}" for one in inventory.differences]


def interfaces(lab: Path, *more: Any) -> dict[str, Any]:
    """Those that rbx7 is declared to have, and more."""
    return {"interfaces": (*of_environment(load_environment(lab), "rbx7").interfaces, *more)}


def test_the_next_inventory_names_what_differs(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = taken(lab)
    assert (first.exit_code, first.since) == (ExitCode.OK, {})
    assert told(first) == [f"{name}: new host {name}" for name in HOSTS]
    again = taken(lab)
    assert told(again) == []
    assert set(again.since) == set(HOSTS)
    answers(monkeypatch, packages=(TREE, replace(OPENSSL, version="3.5.4-1~deb13u2")))
    assert told(taken(lab)) == [
        "rbx7: upgraded package openssl:amd64", "rbx7: gone package sigeco-portal:all"
    ]  # fmt: skip
    assert told(taken(lab)) == []


def test_the_same_content_is_kept_once(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = load_environment(lab)
    for _ in range(3):
        taken(lab)
    with closing(sqlite3.connect(environment.store_directory / "pas-infra.sqlite")) as store:
        assert store.execute("SELECT count(*) FROM inventories").fetchone() == (3,)
        assert store.execute("SELECT count(*) FROM inputs").fetchone() == (9,)


def test_unknown_equipment_is_a_finding(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, **interfaces(lab, DUMMY))
    found = taken(lab)
    assert (found.status, found.exit_code) == (RunStatus.FINDINGS, ExitCode.FINDINGS)
    assert "not as declared: rbx7: unmanaged interface dummy0" in found.summary
    answers(monkeypatch, disks=(replace(DISK, serial="RBX7-A"), DISK))
    found = taken(lab)
    assert [one.object for one in found.unknown] == ["disk S64", "disk RBX7-B"]


WAIVER = """\
- rule: inventory:unmanaged interface dummy0
  reason: r
  compensating_measure: c
  approver: a
  until: {until}
  hosts: [rbx7]
"""


@pytest.mark.parametrize(
    ("days", "code"), [(1, ExitCode.OK), (0, ExitCode.OK), (-1, ExitCode.FINDINGS)]
)
def test_what_is_accepted_is_no_finding_until_its_day(
    lab: Path, monkeypatch: pytest.MonkeyPatch, days: int, code: ExitCode
) -> None:
    until = date.today() + timedelta(days)
    file = lab / "waivers.yml"
    file.write_text(file.read_text() + WAIVER.format(until=until))
    answers(monkeypatch, **interfaces(lab, DUMMY))
    found = taken(lab)
    assert found.exit_code is code
    (one,) = found.found
    assert (one.accepted_until or one.expired) == str(until)
    assert bool(one.accepted_until) == (code is ExitCode.OK)


def test_what_was_not_seen_as_a_whole_is_not_kept(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(lab)
    answers(monkeypatch, packages=(), blind={"packages": "dpkg is silent"})
    half = taken(lab)
    assert (half.exit_code, half.whole) == (ExitCode.INCOMPLETE, False)
    assert "rbx7: not all that it is made of is known (packages: dpkg is silent)" in half.summary
    answers(monkeypatch, packages=(TREE,))
    assert "rbx7: gone package openssl:amd64" in told(taken(lab)), "with the last whole one"


def test_a_missing_host_is_never_fine(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, dict.fromkeys(HOSTS, "no answer over SSH"))
    found = taken(lab)
    assert (found.exit_code, found.hosts) == (ExitCode.INCOMPLETE, ())
    assert "sysfab: no answer over SSH" in found.summary
    assert nothing_is_known(lab)


def test_a_host_that_is_no_longer_declared_is_named_once(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(lab)
    environment = load_environment(lab)
    fewer = replace(environment, hosts=environment.hosts[:2])
    gone = take_inventory(fewer, select(fewer), datetime.now(UTC))
    assert told(gone) == ["bastion: gone host bastion"]
    assert told(take_inventory(fewer, select(fewer), datetime.now(UTC))) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE inventories SET content = replace(content, 'tree', 'rogue')",
        "DELETE FROM inventories",
        "UPDATE inputs SET digest = 'f'",
    ],
)
def test_an_inventory_that_somebody_changed_is_named(lab: Path, damage: str) -> None:
    taken(lab)
    environment = load_environment(lab)
    with closing(sqlite3.connect(environment.store_directory / "pas-infra.sqlite")) as db, db:
        db.execute(damage)
    found = taken(lab)
    assert "somebody has changed it in the store" in found.uncompared["rbx7"]
    assert (found.exit_code, found.differences) == (ExitCode.INCOMPLETE, ())
    assert "not the one that run 1 has recorded" in found.summary
    assert taken(lab).exit_code is ExitCode.OK, "the next one stands by itself"


def test_what_an_older_one_has_kept_may_be_unreadable(lab: Path) -> None:
    taken(lab)
    environment = load_environment(lab)
    with Store.open(environment.store_directory, environment.name) as store:
        run = store.begin("inventory", who="x", control_node="y", pid=1, commit="", options={},
                          now=datetime.now(UTC))  # fmt: skip
        (digest,) = store.inventories.keep([{"host": "rbx7", "of another": "form"}])
        store.drift.set_inputs(run, {"inventory of rbx7": digest})
        with pytest.raises(PasInfraError, match="cannot be read: nobody knows of of another"):
            take.last_inventory(store, "rbx7")


def test_the_record_of_the_run_names_what_was_found(lab: Path) -> None:
    """The chain is over the record: whoever changes an inventory changes its digest."""
    environment, found = load_environment(lab), taken(lab)
    with Store.open(environment.store_directory, environment.name) as store:
        kept = store.inventories.last("inventory", "inventory of rbx7", "rbx7")
        (link,) = store.chain.links()
        record = str(store.chain.record(link))
        assert kept is not None
        assert kept.run_id == found.run_id
        assert f'{{"input":{{"digest":"{kept.digest}","name":"inventory of rbx7"}}}}' in record


def test_the_command_shows_hosts_differences_and_findings(
    lab: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        code = run_command(["inventory", "--env", str(lab), *arguments])
        return code, capsys.readouterr().out

    answers(monkeypatch, **interfaces(lab, DUMMY))
    code, text = run("--cyclonedx", str(tmp_path / "bom.json"))
    assert code == ExitCode.FINDINGS
    for said in ("Roubaix, FR", "serial S-1", "1 Debian (Debian-Security)", "198.18.0.11",
                 "/usr/local/bin/rogue", "new        host rbx7", "unmanaged interface dummy0",
                 "4.1.1"):  # fmt: skip
        assert said in text
    document = json.loads((tmp_path / "bom.json").read_text())
    assert {"host:rbx7", "host:sysfab"} <= {one["bom-ref"] for one in document["components"]}
    code, text = run("--limit", "rbx7", "--json")
    found = json.loads(text)
    assert (code, found["status"], found["differences"]) == (2, "findings", [])
    assert found["findings"][0]["measures"] == ["4.1.1"]
    assert found["findings"][0]["severity"] == "high"
    assert found["hosts"][0]["origins"]["Debian"] == 1


def test_no_name_that_a_host_gives_is_markup(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is root there names files, disks and interfaces."""
    name = "[/foo] [link=https://example.net]x"
    answers(
        monkeypatch,
        programs=(Program(f"/opt/{name}", "unreadable"),),
        disks=(replace(DISK, serial=name, model=name, name=name),),
        packages=(replace(TREE, name=name, origin=name),),
        **interfaces(lab, replace(DUMMY, name=name, kind=name)),
    )
    for _ in range(2):
        code = run_command(["inventory", "--env", str(lab)])
        assert code == ExitCode.FINDINGS
        assert f"/opt/{name}" in capsys.readouterr().out


def test_a_place_that_takes_no_file_is_named_before_anything_is_asked(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_command(["inventory", "--env", str(lab), "--cyclonedx", str(lab / "none/bom.json")])
    assert code == ExitCode.ERROR
    assert "there is no directory" in capsys.readouterr().err
    assert nothing_is_known(lab)


def checked(lab: Path) -> dict[str, tuple[str, str]]:
    """What the checks say, by name: their verdict and why."""
    return called("test_inventory.py", {RECENT: [lab, lambda *_: None], KNOWN: [lab]})


RECENT = "test_the_inventory_is_up_to_date"
KNOWN = "test_no_equipment_is_unknown"


def test_the_inventory_is_checked(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(lab)
    assert found[RECENT][0] == "fails"
    assert found[KNOWN][0] == "unmeasured"
    taken(lab, "rbx7", "sysfab")
    verdict, why = checked(lab)[RECENT]
    assert verdict == "fails", "not every host"
    assert "bastion: none yet" in why
    taken(lab, "bastion")
    assert {verdict for verdict, _ in checked(lab).values()} == {"holds"}
    answers(monkeypatch, **interfaces(lab, DUMMY))
    taken(lab)
    found = checked(lab)
    assert found[RECENT][0] == "holds"
    assert found[KNOWN][0] == "fails"
    assert "unmanaged interface dummy0" in found[KNOWN][1]


def test_a_host_that_is_down_hides_nothing_of_the_others(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(lab)
    answers(monkeypatch, {"sysfab": "no answer over SSH"}, **interfaces(lab, DUMMY))
    assert taken(lab).exit_code is ExitCode.INCOMPLETE
    assert "rbx7: unmanaged interface dummy0" in checked(lab)[KNOWN][1]


def test_what_is_accepted_since_is_no_finding_of_the_last_inventory(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, **interfaces(lab, DUMMY))
    taken(lab)
    assert checked(lab)[KNOWN][0] == "fails"
    file = lab / "waivers.yml"
    file.write_text(file.read_text() + WAIVER.format(until=date.today() + timedelta(1)))
    assert checked(lab)[KNOWN][0] == "holds"


def test_an_inventory_of_the_day_before_is_too_old(lab: Path) -> None:
    taken(lab)
    environment = load_environment(lab)
    for hours, verdict in ((25, "holds"), (27, "fails")):
        began = (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        with closing(sqlite3.connect(environment.store_directory / "pas-infra.sqlite")) as db, db:
            db.execute("UPDATE runs SET started = ?", (began,))
        assert checked(lab)[RECENT][0] == verdict
