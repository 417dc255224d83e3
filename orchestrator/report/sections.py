"""The sections of the report, in their order.

One more is an entry here, its template (`templates/<name>.html.j2`) and its title in each language.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.report import contents
from orchestrator.report.material import Material


@dataclass(frozen=True)
class Section:
    """A part of the page; what `content` returns is all that its template and `--json` see."""

    name: str
    content: Callable[[Material], Any]


SECTIONS = (
    Section("summary", contents.summary),
    Section("chapters", contents.chapters),
    Section("trend", contents.trend),
    Section("changes", contents.changed),
    Section("operations", contents.operations),
    Section("procedures", contents.procedures),
    Section("scope", contents.scope),
    Section("measures", contents.measures),
    Section("waivers", contents.waivers),
    Section("evidence", contents.evidence),
)


def content_of(material: Material) -> dict[str, Any]:
    """The content of every section, by its name."""
    return {section.name: section.content(material) for section in SECTIONS}
