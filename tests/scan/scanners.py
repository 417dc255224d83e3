"""What the scanners print, read."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field

# The profiles of ANSSI-BP-028 in the content, the largest last.
PROFILES = (
    "anssi_bp28_minimal",
    "anssi_bp28_intermediary",
    "anssi_bp28_enhanced",
    "anssi_bp28_high",
)
_XCCDF = {"x": "http://checklists.nist.gov/xccdf/1.2"}
_RULE = "xccdf_org.ssgproject.content_rule_"


@dataclass(frozen=True)
class Evaluation:
    """One profile: its score of 100, and the result of each rule that was looked at."""

    score: float
    results: Mapping[str, str]
    titles: Mapping[str, str] = field(default_factory=dict)

    def count(self, result: str) -> int:
        return sum(each == result for each in self.results.values())

    @property
    def failing(self) -> list[str]:
        return sorted(rule for rule, result in self.results.items() if result == "fail")


@dataclass(frozen=True)
class Lynis:
    """Its index of 100, and what it warns of or suggests, by test."""

    index: int
    warnings: Mapping[str, str]
    suggestions: Mapping[str, str]


@dataclass(frozen=True)
class SshAudit:
    """How many algorithms sshd offers, and how many of them are called broken or weak."""

    offered: int
    failing: tuple[str, ...]
    weak: tuple[str, ...]


def read_oscap(results: str) -> Evaluation:
    """The results of `oscap xccdf eval`; raises ValueError when nothing was looked at."""
    root = ElementTree.fromstring(results)  # noqa: S314 - our own host's
    result = root.find(".//x:TestResult", _XCCDF)
    if result is None:
        raise ValueError("oscap wrote no result")
    rules = {
        rule.attrib["idref"].removeprefix(_RULE): rule.findtext("x:result", "", _XCCDF)
        for rule in result.findall("x:rule-result", _XCCDF)
    }
    seen = {
        rule: said for rule, said in rules.items() if said not in ("notselected", "notapplicable")
    }
    if not seen:
        raise ValueError("every rule is not applicable: the content takes the host for another")
    titles = {
        rule.attrib["id"].removeprefix(_RULE): rule.findtext("x:title", "", _XCCDF)
        for rule in root.findall(".//x:Rule", _XCCDF)
    }
    return Evaluation(float(result.findtext("x:score", "0", _XCCDF)), seen, titles)


def read_lynis(report: str) -> Lynis:
    """The report file of Lynis."""
    lines = [line.split("=", 1) for line in report.splitlines() if "=" in line]
    index = next(int(value) for key, value in lines if key == "hardening_index")

    def said(kind: str) -> dict[str, str]:
        entries = (value.split("|") for key, value in lines if key == f"{kind}[]")
        return {entry[0]: entry[1] for entry in entries}

    return Lynis(index, said("warning"), said("suggestion"))


def read_ssh_audit(report: str) -> SshAudit:
    """The answer of `ssh-audit --json`."""
    answer = json.loads(report)
    algorithms = [a for kind in ("kex", "key", "enc", "mac") for a in answer[kind]]

    def called(what: str) -> tuple[str, ...]:
        return tuple(sorted({a["algorithm"] for a in algorithms if a.get("notes", {}).get(what)}))

    return SshAudit(len(algorithms), called("fail"), called("warn"))
