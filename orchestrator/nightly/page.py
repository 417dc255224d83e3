"""What the looks of an environment have found, as one page that stands for itself."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.drift.finding import Severity
from orchestrator.drift.memory import Look
from orchestrator.nightly import plot
from orchestrator.records import HostDrift, Sighting
from orchestrator.report.wording import LANGUAGES, Wording, wording

_PARIS = ZoneInfo("Europe/Paris")
_TEXTS = Path(__file__).with_name("texts")
__all__ = ["LANGUAGES", "page"]


def page(
    environment: str,
    looks: Sequence[Look],
    findings: Sequence[Sighting],
    now: datetime,
    language: str,
) -> str:
    """The page in a language of `LANGUAGES`; `looks` are newest first, at some roles left out.

    It shows no difference: that may be what not everybody should read.
    """
    words = words_of(language)
    whole = [one for one in looks if not one.roles and one.hosts]
    oldest_first = whole[::-1]
    nights = [datetime.fromisoformat(one.run.started).astimezone(_PARIS) for one in oldest_first]
    days = [f"{night.day} {words.month(night)}" for night in nights]
    hosts = sorted({host.host for one in whole for host in one.hosts})
    lines = plot.lines_of(hosts)
    ends = [words.day(night.date()) for night in (nights[:1] + nights[-1:])] or ["", ""]
    label = words.text("trend_label", begin=ends[0], end=ends[-1])
    templates = Templates(
        loader=PackageLoader("orchestrator.nightly"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {"day": words.day, "moment": words.moment}
    templates.globals |= {"t": words.text, "state_of": state_of, "severity": _severity}
    return templates.get_template("drift.html.j2").render(
        lang=language,
        environment=environment,
        now=now.isoformat(),
        last=whole[0] if whole else None,
        looks=whole,
        hosts=hosts,
        findings=sorted(findings, key=lambda one: (-one.severity, one.host, one.object)),
        lines=[(line.host, Markup(plot.key(line))) for line in lines],  # noqa: S704 - drawn by us
        trend=Markup(plot.trend(oldest_first, lines, label, days)),  # noqa: S704 - drawn by us
    )


def words_of(language: str) -> Wording:
    """The words of this page, with the report's ways to write dates."""
    own = yaml.safe_load((_TEXTS / f"{language}.yml").read_text("utf-8"))
    return Wording(language, {**wording(language).texts, **own})


def state_of(host: HostDrift) -> str:
    """In which of the three states a look saw a host."""
    if not host.complete:
        return "incomplete"
    return "drift" if host.findings else "ok"


def _severity(one: Sighting) -> str:
    return Severity(one.severity).name.lower()
