"""What a bundle says of the measures: what the report of that day does, and never better."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from evidence_forger import Forger, make_key
from report_store import HOSTS, NOW, Desk, Ran, desk_of, everywhere, results
from test_evidence import states_in

from orchestrator.environment import Waiver
from orchestrator.evidence import export, verify_bundle
from orchestrator.evidence.bundle import MEASURES
from orchestrator.evidence.export import Exported
from orchestrator.evidence.said import RESULTS
from orchestrator.records import CheckResult, Verdict

PLACES = '''
import pytest

@pytest.mark.pas("13.1.3")
def test_places(host):
    """The places are declared."""
'''
Exporting = Callable[[], Exported]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = desk_of(tmp_path, monkeypatch)
    # By its name, the package has the function of that name.
    monkeypatch.setattr(import_module("orchestrator.evidence.export"), "utc_now", lambda: NOW)
    monkeypatch.setattr(
        "orchestrator.evidence.documents.project_root", lambda: tmp_path / "project"
    )
    return made


@pytest.fixture
def exporting(desk: Desk, tmp_path: Path) -> Exporting:
    key = make_key(tmp_path / "key")
    return lambda: export(desk.environment, key, tmp_path / "bundle.tar.gz", since_last=False)


def said(exported: Exported) -> dict[str, Any]:
    """What a bundle says of each measure, once verifying it has found nothing."""
    assert exported.verified.findings == ()
    return states_in(Forger.of(exported.file).files)


def test_what_no_check_looks_at_in_full_is_not_kept_in_a_bundle_either(
    desk: Desk, exporting: Exporting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project/tests/hosts/test_places.py").write_text(PLACES, "utf-8")
    looks = [
        CheckResult(host, "test_places.py::test_places", "", ("13.1.3",), Verdict.HOLDS)
        for host in HOSTS
    ]
    monkeypatch.setattr("report_store.results", lambda _: looks)
    desk.run({})
    one = said(exporting())["13.1.3"]
    assert {look["verdict"] for look in one["checks"]} == {"holds"}
    assert (one["state"], bool(one["unproven"])) == ("unmeasured", True)


def test_a_later_catalogue_accuses_nobody(
    desk: Desk, exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run(everywhere())
    exported = exporting()
    assert said(exported)["6.2.1"]["state"] == "kept"
    monkeypatch.setattr("orchestrator.catalogue.state._unproven", lambda: {"6.2.1"})
    assert verify_bundle(exported.file, None, None, datetime.now(UTC)).findings == ()


def of_the_report(desk: Desk) -> dict[str, str]:
    """The state of each measure as the report of that day has it."""
    return {one.number: str(one.state) for one in desk.gather().standings}


def waiver(days: int) -> Waiver:
    """One of root on sysfab, which ends so many days after the export."""
    until = NOW.date() + timedelta(days=days)
    return Waiver("test_ssh.py::test_root", "because", "a guard", "bob", until, ("sysfab",))


LEFT_OUT = {key: each for key, each in everywhere().items() if key != ("bastion", "root")}


@pytest.mark.parametrize(
    ("looks", "narrowed", "waivers", "states"),
    [
        ({("rbx7", "root"): Verdict.HOLDS}, ["6.2.1"], (), ("unmeasured", "unmeasured")),
        (everywhere(), [], (), ("kept", "kept")),
        (LEFT_OUT, [], (), ("kept", "kept")),
        (everywhere(sysfab=Verdict.WAIVED), [], (waiver(0),), ("waived", "kept")),
        (everywhere(sysfab=Verdict.WAIVED), [], (waiver(-1),), ("partly", "kept")),
        (everywhere(sysfab=Verdict.WAIVED), [], (), ("partly", "kept")),
    ],
    ids=["one host", "all", "not asked of all", "waived", "waiver ended", "waiver withdrawn"],
)
def test_a_bundle_says_of_a_measure_what_the_report_does(
    desk: Desk, exporting: Exporting, looks: Ran, narrowed: list[str],
    waivers: tuple[Waiver, ...], states: tuple[str, str],
) -> None:  # fmt: skip
    desk.environment = replace(desk.environment, waivers=waivers)
    desk.run(looks, measures=narrowed)
    exported = exporting()
    found = {number: one["state"] for number, one in said(exported).items()}
    assert found == of_the_report(desk)
    assert (found["6.2.1"], found["5.5.2"]) == states
    (result,) = json.loads(Forger.of(exported.file).files[RESULTS])["assessment-results"]["results"]
    assert len(result.get("risks", ())) == (states[0] == "waived")


def test_what_was_not_of_a_measure_yet_when_it_was_looked_at_does_not_keep_it(
    desk: Desk, exporting: Exporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [
        replace(one, measures=("5.5.2",)) if one.check.endswith("test_root") else one
        for one in results(everywhere())
    ]
    monkeypatch.setattr("report_store.results", lambda _: looks)
    desk.run({})
    one = said(exporting())["6.2.1"]
    assert {(look["verdict"], look["run"]) for look in one["checks"]} == {
        ("holds", 1), ("unmeasured", None),
    }  # fmt: skip
    assert one["state"] == "unmeasured"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"run":null,"verdict":"unmeasured"', '"run":null,"verdict":"holds"'),
        ('"verdict":"fails"', '"verdict":"waived"'),
        ('"recorded":"waived",', '"recorded":"holds",'),
    ],
    ids=["seen by nobody", "waived", "recorded otherwise"],
)
def test_nothing_better_than_the_records_is_believed(
    desk: Desk, exporting: Exporting, tmp_path: Path, old: str, new: str
) -> None:
    looks = everywhere(rbx7=Verdict.FAILS, sysfab=Verdict.WAIVED)
    desk.run({key: looks[key] for key in looks if key[0] in ("rbx7", "sysfab")})
    forger = Forger.of(exporting().file).edit(MEASURES, old, new).resign(tmp_path / "key")
    forged = forger.write(tmp_path / "forged.tar.gz")
    (finding,) = verify_bundle(forged, None, None, datetime.now(UTC)).findings
    assert finding.file == MEASURES
