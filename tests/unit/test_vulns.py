"""Versions in dpkg's order, the tracker's data, and what is open on a host by them."""

import json
import random
import shutil
import subprocess
from collections.abc import Mapping
from datetime import date
from itertools import product
from typing import Any

import pytest

from orchestrator.errors import Incomplete
from orchestrator.vulnerabilities.decisions import Decision
from orchestrator.vulnerabilities.exposure import Exposure, exposures, is_open, reaches
from orchestrator.vulnerabilities.installed import Source, sources_in
from orchestrator.vulnerabilities.tracker import Advisory, read_advisories
from orchestrator.vulnerabilities.versions import version_key

TODAY = date(2026, 11, 24)


def dpkg(left: str, right: str) -> int:
    def says(relation: str) -> bool:
        command = ["dpkg", "--compare-versions", left, relation, right]
        return subprocess.run(command, check=False).returncode == 0

    return -1 if says("lt") else int(says("gt"))


def compared(left: str, right: str) -> int:
    a, b = version_key(left), version_key(right)
    return (a > b) - (a < b)


KNOWN = [
    ("1.0~rc1-1", "1.0-1", -1), ("1.0-1~deb13u1", "1.0-1", -1), ("1.0-1", "1.0-1+b1", -1),
    ("1.0-1+deb13u2", "1.0-1+deb13u10", -1), ("1.9", "1.10", -1), ("1:0.1", "2.0", 1),
    ("1.0", "1.0-0", 0), ("0", "0:0", 0), ("1.00-01", "1.0-1", 0), ("1.0a", "1.0+", -1),
    ("1.0", "1.0~", 1), ("1.0~~", "1.0~~a", -1), ("1.0~~a", "1.0~", -1),
    ("1.0-1~bpo13+1", "1.0-1", -1),
    ("3.5.9-1~deb13u1", "3.5.9-1", -1), ("1-2-3", "1-2-4", -1), ("1.2", "1.a", -1), ("", "0", 0),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "order"), KNOWN)
def test_versions_sort_as_the_policy_says(left: str, right: str, order: int) -> None:
    assert compared(left, right) == order
    assert compared(right, left) == -order


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="there is no dpkg to compare with")
def test_versions_sort_as_dpkg_sorts_them() -> None:
    rng = random.Random(13)  # noqa: S311 - the same ones each time
    parts = ("", "1", "0", "10", "~", "+", "a", ".", "deb13u2", "~bpo", "-1", "b", "09")
    made = [f"{rng.choice(['', '', '1:'])}{rng.randint(0, 2)}" + "".join(rng.choices(parts, k=4))
            for _ in range(30)]  # fmt: skip
    pairs = [*((left, right) for left, right, _ in KNOWN if left), *product(made[:20], made[10:])]
    assert {pair: compared(*pair) for pair in pairs} == {pair: dpkg(*pair) for pair in pairs}


def test_an_epoch_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        version_key("a:1")


def state(status: str = "open", **more: str) -> dict[str, Any]:
    return {"status": status, "repositories": {"trixie": "1.0-1"}, "urgency": "medium"} | more


def data(**packages: Mapping[str, Mapping[str, Any]]) -> str:
    """The tracker's form: package, vulnerability, releases."""
    return json.dumps({
        name: {
            cve: {"description": "A flaw", "scope": "remote", "releases": releases}
            for cve, releases in entries.items()
        }
        for name, entries in packages.items()
    })  # fmt: skip


def advisory(here: dict[str, Any], sid: dict[str, Any] | None = None) -> Advisory:
    releases = {"trixie": here} | ({"sid": sid} if sid else {})
    (found,) = read_advisories(data(p={"CVE-2026-1000": releases}), {"p"})["p"]
    return found


FIXED = {"status": "resolved", "fixed_version": "1.0-1+deb13u1"}


@pytest.mark.parametrize(
    ("version", "here", "sid", "expected"),
    [
        ("1.0-1", state(), None, True),
        ("1.0-1", state("undetermined"), None, True),
        ("1.0-1", state(**FIXED), None, True),
        ("1.0-1+deb13u1", state(**FIXED), None, False),
        ("1.0-1+deb13u2", state(**FIXED), None, False),
        ("1.0-1", state("resolved", fixed_version="0"), None, False),  # never had it
        ("1.0-1", state("resolved"), None, False),
        ("1.0-1", state(urgency="unimportant"), None, True),
        ("1.0-1", state(nodsa="Minor issue", nodsa_reason="postponed"), None, True),
        ("1.0-1", state(), state("resolved", fixed_version="1.2-1"), True),
        ("1.2-1", state(), state("resolved", fixed_version="1.2-1"), False),  # newer, with the fix
        ("1.0-1", state(), state("resolved", fixed_version="0"), True),
        ("1.1-1~bpo13+1", state(**FIXED), state("resolved", fixed_version="1.1-2"), True),
        ("1.1-3~bpo13+1", state(**FIXED), state("resolved", fixed_version="1.1-2"), False),
        ("1.1-1~bpo13+1", state(**FIXED), state(), True),
    ],
)
def test_what_is_open(
    version: str, here: dict[str, Any], sid: dict[str, Any] | None, *, expected: bool
) -> None:
    assert is_open(version, advisory(here, sid)) is expected


def found(
    text: str, *sources: Source, host: str = "web1", first_seen: Mapping[str, Any] | None = None,
    decisions: Mapping[tuple[str, str], Decision] | None = None,
) -> list[Exposure]:  # fmt: skip
    read = read_advisories(text, {source.package for source in sources})
    return exposures({host: sources}, read, decisions or {}, first_seen or {}, TODAY)


def test_the_gravest_come_first_and_of_each_what_can_be_fixed() -> None:
    text = data(p={
        "CVE-2026-1001": {"trixie": state(urgency="low")},
        "CVE-2026-1002": {"trixie": state(urgency="high")},
        "CVE-2026-1003": {"trixie": state(**FIXED, urgency="high")},
        "CVE-2026-1004": {"trixie": state(urgency="unimportant")},
        "CVE-2026-1005": {"trixie": state(urgency="not yet assigned")},
        "CVE-2026-1006": {"bookworm": state(urgency="high")},
    })  # fmt: skip
    order = [one.cve[-1] for one in found(text, Source("p", "1.0-1"))]
    assert order == ["5", "3", "2", "1", "4"]


def test_an_exposure_says_what_ends_it_and_since_when_it_is_known() -> None:
    text = data(p={
        "CVE-2026-1000": {"trixie": state(**FIXED)},
        "CVE-2026-1001": {"trixie": state(nodsa="Minor", nodsa_reason="postponed")},
    })  # fmt: skip
    seen = {"web1": {"CVE-2026-1000 p": "2026-11-01"}}
    fixable, waiting = found(text, Source("p", "1.0-1"), first_seen=seen)
    assert (fixable.status, fixable.fixed) == ("fixable", "1.0-1+deb13u1")
    assert fixable.first_seen == date(2026, 11, 1)
    assert (waiting.status, waiting.fixed, waiting.no_dsa) == ("open", "", "postponed")
    assert waiting.first_seen == TODAY


@pytest.mark.parametrize(
    ("until", "kind", "decided"),
    [(TODAY, "accept", True), (date(2026, 11, 23), "accept", False), (None, "close", False)],
)
def test_a_decision_counts_until_its_last_day(
    until: date | None, kind: str, *, decided: bool
) -> None:
    made = Decision("CVE-2026-1000", "web1", kind, "why", "anna", date(2026, 1, 1), until)
    text = data(p={"CVE-2026-1000": {"trixie": state()}})
    (one,) = found(text, Source("p", "1"), decisions={("CVE-2026-1000", "web1"): made})
    assert one.decided(TODAY) is decided
    assert made.overdue(TODAY) is (kind != "close" and not decided)
    (other,) = found(text, Source("p", "1"), host="web2",
                     decisions={("CVE-2026-1000", "web1"): made})  # fmt: skip
    assert not other.decided(TODAY)


@pytest.mark.parametrize(
    ("severity", "least", "shown"),
    [("low", "low", True), ("low", "medium", False), ("unimportant", "low", False),
     ("unimportant", "unimportant", True), ("high", "high", True),
     ("not yet assigned", "high", True), ("end-of-life", "high", True)],
)  # fmt: skip
def test_a_severity_that_nobody_assigned_is_never_left_out(
    severity: str, least: str, *, shown: bool
) -> None:
    assert reaches(severity, least) is shown


WHOLE = data(p={"CVE-2026-1000": {"trixie": state()}}, q={})
GARBAGE = {
    "nothing": "",
    "a page": "<html>",
    "a list": "[]",
    "an empty document": "{}",
    "a cut document": WHOLE[:-1],
    "a document cut within a package": WHOLE[:60],
    "something behind it": WHOLE + "x",
    "two documents": WHOLE + WHOLE,
    "no comma": WHOLE.replace(', "q"', ' "q"'),
    "a package that is a list": '{"p": []}',
    "a vulnerability without releases": '{"p": {"CVE-2026-1000": {}}}',
    "an unknown status": data(p={"CVE-2026-1000": {"trixie": state("opened")}}),
    "another release only": data(p={"CVE-2026-1000": {"sid": state()}}),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_never_nothing_open(name: str) -> None:
    with pytest.raises(Incomplete):
        read_advisories(GARBAGE[name], {"p"})


def test_a_package_that_the_tracker_does_not_know_has_no_advisory() -> None:
    assert read_advisories(WHOLE, {"other"}) == {}
    assert read_advisories(json.dumps(json.loads(WHOLE), indent=2), {"p"}).keys() == {"p"}


ANSWER = """\
debian trixie
installed\topenssl\t3.5.1-1\t3.5.1-1
installed\topenssl\t3.5.1-1\t3.5.1-1+b1
config-files\tbash\t5.2-1\t5.2-1
not-installed\tzsh\t\t
half-configured\tsudo\t1.9-1\t1.9-1
installed\tlinux-signed-amd64\t6.12.57+1\t6.12.57-1
"""


def test_a_host_names_its_source_packages() -> None:
    assert sources_in(ANSWER) == {
        Source("openssl", "3.5.1-1"), Source("sudo", "1.9-1"), Source("linux", "6.12.57-1")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "why"),
    [("", "unknown system"), (ANSWER.replace("trixie", "bookworm"), "runs debian bookworm"),
     ("debian trixie\n", "names no package"), ("debian trixie\nnonsense\n", "not enough values")],
)  # fmt: skip
def test_a_host_that_cannot_be_compared_is_missing(answer: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sources_in(answer)
