"""The certificate of erasure: what a client is given, in French, and an auditor can follow."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.offboardings import CERTIFICATE, Journal
from orchestrator.operator import control_node_name
from orchestrator.runs import utc_now
from orchestrator.store.private import replace_private

_FIRST = "0" * 64  # what the first certificate of an environment follows
_PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True)
class Certificate:
    """One certificate: its facts, the SHA-256 of them, and the pages that show it."""

    facts: Mapping[str, Any]
    sha256: str
    html: Path
    pdf: Path


def certificate_of(directory: Path, name: str) -> Certificate | None:
    """The certificate of a client who was offboarded; None where there is none."""
    file = directory / f"{name}{CERTIFICATE}"
    if not file.exists():
        return None
    content = file.read_bytes()
    try:
        facts = json.loads(content)
        facts["previous_sha256"]
    except (ValueError, LookupError, TypeError) as error:
        raise PasInfraError(
            "this is no certificate of erasure any more",
            where=file,
            next_step="compare with what the client was given",
        ) from error
    return Certificate(facts, hashlib.sha256(content).hexdigest(), *_pages(directory, name))


def require_what_it_takes(directory: Path) -> None:
    """Raises PasInfraError when no certificate could be issued: before anything is destroyed."""
    certificates(directory)
    try:
        printed("<p>")
    except OSError as error:
        raise PasInfraError(
            f"the certificate could not be printed: {error}",
            next_step="apt-get install libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core",
        ) from error


def issue(environment: Environment, journal: Journal, records: Mapping[int, str]) -> Certificate:
    """Write the certificate of an offboarding that is done, after all pages of it.

    `records` are the SHA-256 of what its runs have recorded. It names the certificate before it, so
    that none before the last can be changed or taken away unseen. Raises PasInfraError when that
    has happened.
    """
    directory, name = journal.file.parent, str(journal.client["name"])
    issued_before = certificates(directory)
    facts = {
        "environment": environment.name,
        "control_node": control_node_name(),
        "client": dict(journal.client),
        "by": journal.by,
        "steps": journal.steps,
        "records": {str(run): sha256 for run, sha256 in records.items()},
        "previous_sha256": issued_before[-1].sha256 if issued_before else _FIRST,
        "issued": utc_now().isoformat(timespec="seconds"),
    }
    content = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    issued = Certificate(facts, sha256, *_pages(directory, name))
    page = render(facts, sha256)
    replace_private(issued.html, page.encode())
    replace_private(issued.pdf, printed(page))
    replace_private(directory / f"{name}{CERTIFICATE}", content)
    return issued


def _pages(directory: Path, name: str) -> tuple[Path, Path]:
    return directory / f"{name}.certificate.html", directory / f"{name}.certificate.pdf"


def certificates(directory: Path) -> list[Certificate]:
    """All certificates, each after the one that it names; raises PasInfraError when one is missing.

    A changed one has another sum than its successor names, so it counts as missing too. That the
    last ones are all there, nobody can say.
    """
    names = (file.name.removesuffix(CERTIFICATE) for file in directory.glob(f"[a-z]*{CERTIFICATE}"))
    found = [one for name in names if (one := certificate_of(directory, name)) is not None]
    following = {one.facts["previous_sha256"]: one for one in found}
    ordered: list[Certificate] = []
    while (last := ordered[-1].sha256 if ordered else _FIRST) in following:
        ordered.append(following[last])
    if strays := sorted(one.html.name for one in found if one not in ordered):
        raise PasInfraError(
            f"the certificates of erasure do not follow each other: {', '.join(strays)}",
            where=directory,
            next_step="one was changed or taken away: compare with what the clients were given",
        )
    return ordered


def render(facts: Mapping[str, Any], sha256: str) -> str:
    """The page, in French."""
    templates = Templates(
        loader=PackageLoader("orchestrator.clients"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {"moment": moment, "taille": size, "jour": day}
    return templates.get_template("certificate.html.j2").render(sha256=sha256, **facts)


def printed(page: str) -> bytes:
    """The page as PDF."""
    from weasyprint import HTML

    pdf: bytes = HTML(string=page).write_pdf()
    return pdf


def moment(written: str) -> str:
    """A time of a journal as a person in France reads it."""
    local = datetime.fromisoformat(written).astimezone(_PARIS)
    return local.strftime("%d/%m/%Y à %H:%M:%S (%Z)")


def day(written: str) -> str:
    """A date as a person in France reads it."""
    return datetime.fromisoformat(written).strftime("%d/%m/%Y")


def size(octets: int) -> str:
    """A size as a person in France reads it."""
    unit, value = ("Go", octets / 1e9) if octets >= 1e9 else ("Mo", octets / 1e6)
    return f"{value:.1f} {unit}".replace(".", ",")
