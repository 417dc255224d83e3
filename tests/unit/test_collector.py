"""What the collector's comparison finds in what a host really said, varied as data says."""

import copy
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from host_programs import strangers

from orchestrator.catalogue import load_catalogue
from orchestrator.drift.collector import (
    COLLECTOR,
    Baseline,
    Declared,
    Seen,
    accept,
    baseline_of,
    compare,
    declared_on,
    read_seen,
)
from orchestrator.drift.collector.host.network import _tables
from orchestrator.drift.collector.host.packages import without_release
from orchestrator.drift.collector.host.services import _unit
from orchestrator.drift.collector.kinds import KINDS
from orchestrator.drift.finding import Eye, Finding
from orchestrator.environment import load_environment
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root
from orchestrator.store import Store

HERE = Path(__file__).parent / "collected"
RECORDED: dict[str, Any] = json.loads((HERE / "rbx7.json").read_text())
VARIATIONS: list[dict[str, Any]] = yaml.safe_load((HERE / "variations.yml").read_text())
HOST = "rbx7"
NOW = datetime(2026, 11, 26, 6, tzinfo=UTC)
ENVIRONMENT = load_environment(project_root() / "inventories/lab")


def declared() -> Declared:
    """What the lab declares, as far as the recorded answer was cut to it."""
    found = declared_on(ENVIRONMENT, HOST)
    assert found.accounts is not None
    keys = {name.split()[1] for name in RECORDED["objects"]["authorized-key"]}
    accounts = {
        name: None if of_account is None else of_account & keys
        for name, of_account in found.accounts.items()
        if name in RECORDED["objects"]["account"] or name == "amartin"
    }
    return Declared({**accounts, "amartin": accounts["amartin"]}, found.flows)


def varied(objects: Mapping[str, Any], adds: Mapping[str, Any]) -> Seen:
    """The recorded answer, with other properties, without an object or with more of them."""
    answer = copy.deepcopy(RECORDED)
    answer["objects"]["account"].setdefault(
        "amartin", {"uid": "1001", "shell": "/bin/bash", "password": "none"}
    )
    for kind, named in objects.items():
        for name, about in named.items():
            if about is None:
                del answer["objects"][kind][name]
                continue
            answer["objects"][kind][name].update(about)
            for key in [key for key, value in about.items() if value is None]:
                del answer["objects"][kind][name][key]
    for kind, named in adds.items():
        present = answer["objects"].setdefault(kind, {})
        assert not set(named) & set(present)
        present.update(named)
    return read_seen(answer)


def found(seen: Seen, before: Seen | None, now: datetime = NOW) -> tuple[Finding, ...]:
    baseline = None if before is None else Baseline(HOST, "", before.objects)
    return compare(HOST, seen, baseline, declared(), now)


@pytest.mark.parametrize("case", VARIATIONS, ids=lambda case: case["name"])
def test_what_differs_is_found_by_its_name(case: dict[str, Any]) -> None:
    seen = varied(case.get("objects", {}), case.get("adds", {}))
    findings = found(seen, varied(case.get("before", {}), {}))
    assert sorted(f"{one.kind} {one.object}" for one in findings) == sorted(case["found"])
    for one in findings:
        assert one.eye is Eye.COLLECTOR
        assert one.seen
        assert one.measures or one.object_kind == "baseline"
    said = [line for one in findings for line in one.seen.splitlines()]
    assert set(case.get("says", ())) <= set(said)


def test_every_measure_of_a_kind_is_one() -> None:
    numbers = {measure.number for measure in load_catalogue().measures}
    for kind in KINDS.values():
        assert kind.measures
        assert set(kind.measures) <= numbers, kind


def test_the_reference_names_every_kind() -> None:
    page = (project_root() / "docs/reference/what-is-there.md").read_text()
    assert {kind.called for kind in KINDS.values()} == set(re.findall(r"`([a-z-]+) [^`]+`", page))


def test_an_identity_stays_whatever_is_seen() -> None:
    before = varied({}, {})
    identities = {
        found(varied({"file": {"/etc/issue": {"content": content}}}, {}), before)[0].identity
        for content in ("sha256 1", "sha256 2")
    }
    assert len(identities) == 1


def test_without_a_baseline_that_is_a_finding() -> None:
    assert [one.object for one in found(varied({}, {}), None)] == ["baseline rbx7"]


def test_what_was_not_looked_at_is_not_missing() -> None:
    before = varied({}, {})
    blind = Seen(
        {kind: named for kind, named in before.objects.items() if kind != "nftables"},
        {"network": "nft: Operation not permitted"},
        {},
    )
    assert found(blind, before) == ()


def test_a_certificate_that_has_ended_is_found() -> None:
    seen = varied({}, {})
    later = datetime(2036, 1, 1, tzinfo=UTC)
    assert [one.seen[:12] for one in found(seen, seen, later)] == ["it ended on "]


def test_a_certificate_is_told_in_words() -> None:
    (about,) = varied({}, {}).objects["certificate"].values()
    assert about["issuer"] == "CN=Laboratoire logs,O=Laboratoire"
    assert "certificate" not in about


def test_nothing_that_a_host_says_speaks_to_the_terminal() -> None:
    seen = varied({}, {"file": {"/etc/\x1b[2J": {"to": "\x1b]0;owned\x07"}}})
    assert all("\x1b" not in one.object + one.seen for one in found(seen, varied({}, {})))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"objects": {}, "blind": {}, "seconds": {}, "container": ""},
        {**RECORDED, "objects": []},
        {**RECORDED, "objects": {"account": []}},
        {**RECORDED, "objects": {"account": {"eve": []}}},
        {**RECORDED, "objects": {"account": {"eve": {"uid": {"a": 1}}}}},
        {**RECORDED, "objects": {"account": {"eve": {"groups": [1]}}}},
        {**RECORDED, "objects": {"nonsense": {}}},
        {**RECORDED, "objects": {"file": {"/etc/x": {"mode": "rw"}}}},
        {**RECORDED, "objects": {"certificate": {"/etc/x": {"ends": "never"}}}},
        {**RECORDED, "objects": {"certificate": {"/etc/x": {"ends": "2026-01-01"}}}},
        {**RECORDED, "objects": {"package": {"x": {"held": 0.5}}}},
        {**RECORDED, "blind": []},
        {**RECORDED, "seconds": {"files": "soon"}},
    ],
)
def test_nonsense_is_no_answer(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_seen(answer)


def test_what_is_accepted_is_kept(tmp_path: Path) -> None:
    seen = varied({}, {})
    with Store.open(tmp_path / "store", "lab") as store:
        run = store.begin("drift", who="x", control_node="y", pid=1, commit="", options={}, now=NOW)
        assert baseline_of(store, HOST) is None
        accept(store, run, HOST, seen, NOW)
        kept = baseline_of(store, HOST)
        assert kept is not None
        assert (kept.objects, kept.accepted[:10]) == (seen.objects, "2026-11-26")
        # What was not looked at this time stays as it was.
        accept(store, run, HOST, Seen({"suid": {}}, {}, {}), NOW)
        kept = baseline_of(store, HOST)
        assert kept is not None
        assert kept.objects == {**seen.objects, "suid": {}}


def test_a_damaged_baseline_says_what_to_do(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store", "lab") as store:
        run = store.begin("drift", who="x", control_node="y", pid=1, commit="", options={}, now=NOW)
        store.baselines.accept(run, HOST, {"nonsense": {}}, NOW)
        with pytest.raises(PasInfraError, match="the accepted state of rbx7 cannot be read"):
            baseline_of(store, HOST)


def test_it_stands_alone_on_the_host() -> None:
    """Its modules know the standard library and those sent before them, and nothing else."""
    assert strangers(COLLECTOR) == []


RULESET = """\
table inet pas_infra {
\tset blocked {
\t\ttype ipv4_addr
\t\tflags dynamic,timeout
\t\ttimeout 10m
\t\telements = { 192.0.2.1 expires 3m2s }
\t}

\tset admins {
\t\ttype ipv4_addr
\t\telements = { 198.18.0.1,
\t\t\t     198.18.0.2 }
\t}

\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t}
}
table ip nat {
}
"""


def test_a_table_is_its_rules_and_not_who_has_just_been_refused() -> None:
    tables = dict(_tables(RULESET))
    assert list(tables) == ["inet pas_infra", "ip nat"]
    rules = str(tables["inet pas_infra"])
    assert "198.18.0.2" in rules
    assert "192.0.2.1" not in rules
    assert dict(_tables(RULESET.replace("192.0.2.1", "192.0.2.9"))) == tables
    assert dict(_tables(RULESET.replace("policy drop", "policy accept"))) != tables


SHOWN = {"UnitFileState": "", "ActiveState": "active", "Type": "simple", "DropInPaths": "",
         "FragmentPath": "/run/systemd/transient/run-p1-i2.service"}  # fmt: skip

LISTED: dict[str, object] = {"at_boot": "static"}
DOWN = {"UnitFileState": "enabled", "ActiveState": "inactive"}


@pytest.mark.parametrize(
    ("name", "shown", "listed", "told"),
    [
        ("run-p1-i2.service", {}, None, {"run-pN-iN.service": "up"}),
        ("evil.service", {}, None, {"evil.service": "up"}),
        ("evil.service", {"ActiveState": "inactive"}, None, {}),
        ("evil.service", {"ActiveState": "failed"}, None, {"evil.service": "failed"}),
        ("x.service", {"Type": "oneshot"}, LISTED, {"x.service": ""}),
        ("x.service", {"UnitFileState": "enabled"}, LISTED, {"x.service": "up"}),
        ("x.timer", DOWN, LISTED, {"x.timer": "down"}),
        ("x.service", {"ActiveState": "inactive"}, LISTED, {"x.service": ""}),
    ],
)  # fmt: skip
def test_a_unit_is_what_it_should_do_not_what_it_happens_to_do(
    name: str, shown: dict[str, str], listed: dict[str, object] | None, told: dict[str, str]
) -> None:
    found = _unit(name, {**SHOWN, **shown}, listed)
    assert {unit: about["state"] for unit, about in found.items()} == told


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("linux-image-6.12.57+deb13-amd64", "linux-image-*-amd64"),
        ("linux-image-6.12.63+deb13-amd64", "linux-image-*-amd64"),
        ("linux-headers-6.12.57+deb13-common", "linux-headers-*-common"),
        ("linux-kbuild-6.12.57+deb13", "linux-kbuild-*"),
        ("linux-image-amd64", "linux-image-amd64"),
        ("linux-libc-dev", "linux-libc-dev"),
        ("nmap", "nmap"),
    ],
)
def test_another_release_of_the_kernel_is_the_same_package(name: str, called: str) -> None:
    assert without_release(name) == called
