"""The page: one self-contained HTML file, and the same as PDF."""

import gc
from collections.abc import Mapping
from typing import Any

from orchestrator.errors import PasInfraError
from orchestrator.report import plot
from orchestrator.report.colours import STATE_OF_VERDICT, STATES
from orchestrator.report.material import Material
from orchestrator.report.sections import SECTIONS
from orchestrator.report.wording import Wording, french_blanks


def html(
    material: Material, content: Mapping[str, Any], words: Wording, roles: Mapping[str, str]
) -> str:
    """The page of an edition; `roles` says where the page of each role is, if it is linked."""
    # Here, for whoever only asks where the measures stand is not to wait for it.
    from jinja2 import Environment as Templates
    from jinja2 import PackageLoader, StrictUndefined
    from markupsafe import Markup

    templates = Templates(
        loader=PackageLoader("orchestrator.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {
        "day": words.day,
        "moment": words.moment,
        "french": french_blanks,
        "groups": _in_groups,
    }
    return templates.get_template("report.html.j2").render(
        environment=material.environment,
        edition=material.edition,
        internal=material.internal,
        max_age=material.max_age.days,
        now=material.now.isoformat(),
        commit=material.commit,
        content=content,
        sections=SECTIONS,
        states=STATES,
        state_of_verdict=STATE_OF_VERDICT,
        t=words.text,
        lang=words.language,
        role_pages=roles,
        role_names=words.texts["roles"],
        evidence_names=words.texts["evidence"]["commands"],
        bar=lambda counts, label: Markup(plot.bar(counts, label)),  # noqa: S704 - drawn by us
        trend_plot=lambda label: Markup(  # noqa: S704 - drawn by us
            plot.trend(material.points, material.now, label, words)
        ),
    )


def pdf(page: str) -> bytes:
    """The page as PDF. Raises PasInfraError when this machine lacks what prints."""
    try:
        from weasyprint import HTML
    except OSError as error:
        raise PasInfraError(
            f"the report cannot be printed: {error}",
            next_step="apt-get install libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core",
        ) from error
    # A layout is millions of small objects that stay: looking through them takes a quarter of it.
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        printed: bytes = HTML(string=page).write_pdf()
    finally:
        gc.set_threshold(*before)
    return printed


def _in_groups(sha256: str) -> str:
    """A sum as people compare it: in groups of eight."""
    return " ".join(sha256[at : at + 8] for at in range(0, len(sha256), 8))
