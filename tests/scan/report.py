"""docs/scores.md: the scores, and why each rule that still fails does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from content import read_corrections
from scanners import Evaluation, Lynis, SshAudit

ROOT = Path(__file__).parents[2]
SCORES = ROOT / "docs/scores.md"
# Bars: what is aimed at, out of 100.
ANSSI_HIGH, LYNIS = 90.0, 85
UNEXPLAINED = "**no reason is known**"


@dataclass(frozen=True)
class Scan:
    """What the scanners said of one host at one time."""

    profiles: Mapping[str, Evaluation]
    delivered: Evaluation  # the largest profile, by the content as it is
    lynis: Lynis
    ssh_audit: SshAudit


def reason_for(rule: str, reasons: list[dict[str, str]]) -> str:
    """Why a rule may fail: the first entry whose pattern fits."""
    return next((r["reason"] for r in reasons if fnmatchcase(rule, r["rule"])), UNEXPLAINED)


def report(
    before: Scan, after: Scan, day: date, reasons: Mapping[str, list[dict[str, str]]]
) -> str:
    """The page."""
    lines = [
        "# Scores",
        "",
        f"Measured on {day} by `make scan`: a virtual machine with Debian's kernel, at level",
        "*high*, as delivered and after `pas-infra apply --reboot`. The scanners are Debian 13's",
        "own. The ANSSI content of its `ssg-debian` is for Debian 12: where it looks for a setting",
        "in a place where Debian 13 does not keep it, it was",
        "[corrected](#corrections-of-the-content); *as delivered*, only the release was changed.",
        "No host is bent to please a scanner.",
        "",
        "| scanner | before | after | aim |",
        "|---|---|---|---|",
    ]
    for profile, ended in after.profiles.items():
        was = before.profiles[profile]
        aim = f"{ANSSI_HIGH:.0f}" if profile.endswith("high") else ""
        counts = f"{ended.count('pass')} pass, {ended.count('fail')} fail"
        lines.append(f"| {profile} | {was.score:.1f} | **{ended.score:.1f}** ({counts}) | {aim} |")
    a, b = after.delivered, before.delivered
    lines.append(
        f"| the last one, content as delivered | {b.score:.1f} | **{a.score:.1f}** "
        f"({a.count('pass')} pass, {a.count('fail')} fail) | |"
    )
    lines += _lynis_and_ssh(before, after)
    largest = list(after.profiles.values())[-1]
    lines += [
        "## Rules of ANSSI that still fail",
        "",
        "| rule | what it asks | why |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{rule}` | {largest.titles.get(rule, '')} | {reason_for(rule, reasons['anssi'])} |"
        for rule in largest.failing
    ]
    other = {**after.lynis.warnings, **after.lynis.suggestions}
    lines += ["", "## What Lynis still says", "", "| test | what it says | why |", "|---|---|---|"]
    lines += [
        f"| `{test}` | {text} | {reason_for(test, reasons['lynis'])} |"
        for test, text in sorted(other.items())
    ]
    lines += [
        *("", "## Corrections of the content", "", "| what | why |", "|---|---|"),
        *(f"| {each.what} | {each.why} |" for each in read_corrections()),
    ]
    return "\n".join(lines) + "\n"


def _lynis_and_ssh(before: Scan, after: Scan) -> list[str]:
    a, b = after.ssh_audit, before.ssh_audit
    return [
        f"| Lynis, hardening index | {before.lynis.index} | **{after.lynis.index}** | {LYNIS} |",
        f"| ssh-audit: offered / failing / weak | {b.offered} / {len(b.failing)} / {len(b.weak)} "
        f"| **{a.offered} / {len(a.failing)} / {len(a.weak)}** | |",
        "",
    ]


def write_report(before: Scan, after: Scan, day: date) -> list[str]:
    """Write the page; returns which bars are missed, and whether a rule fails without a reason."""
    reasons = yaml.safe_load((Path(__file__).with_name("reasons.yml")).read_text("utf-8"))
    text = report(before, after, day, reasons)
    SCORES.write_text(text, "utf-8")
    score = list(after.profiles.values())[-1].score
    return [
        *([f"ANSSI: {score:.1f}, not {ANSSI_HIGH:.0f}"] if score < ANSSI_HIGH else []),
        *([f"Lynis: {after.lynis.index}, not {LYNIS}"] if after.lynis.index < LYNIS else []),
        *([f"{text.count(UNEXPLAINED)} without a reason"] if UNEXPLAINED in text else []),
    ]
