"""What the records of a bundle say, in the forms that others read: JUnit and OSCAL."""

from collections.abc import Mapping, Sequence

from orchestrator.catalogue import load_catalogue
from orchestrator.environment import Environment
from orchestrator.evidence.bundle import RECORDS_FROM_OSCAL
from orchestrator.evidence.measures import AsOf, check_of_record, run_of, standings_of
from orchestrator.evidence.record import Examined
from orchestrator.junit import junit_xml
from orchestrator.measures import view_measures
from orchestrator.oscal import Source, documents, material_of
from orchestrator.paths import project_root
from orchestrator.report import Edition
from orchestrator.report.standing import Standing, is_whole
from orchestrator.verify import Verification


def junit_of(one: Examined) -> str:
    """The checks of a run, as JUnit; "" for one that was to look at none.

    A host that a whole verification was to look at and has nothing of is an error in it.
    """
    checks = tuple(check_of_record(columns) for columns in one.checks)
    run = run_of(one)
    asked = run.options.get("hosts")
    missing: dict[str, str] = {}
    if run.command == "verify" and is_whole(run) and isinstance(asked, list):
        seen = {check.host for check in checks}
        why = run.message or "nothing was recorded of it"
        missing = {str(host): why for host in asked if host not in seen}
    if not checks and not missing:
        return ""
    return junit_xml(Verification(checks, missing, strict=False))


def standings_in(
    environment: Environment, records: Sequence[Examined], as_of: AsOf
) -> tuple[Standing, ...]:
    """Where each measure stands by these records, at the moment for which they are to speak."""
    views = view_measures(load_catalogue(), project_root(), environment.pas_document)
    return standings_of(views, records, as_of, environment)


def oscal_documents(
    environment: Environment,
    standings: tuple[Standing, ...],
    records: Sequence[Examined],
    as_of: AsOf,
    ended: str,
) -> Mapping[str, bytes]:
    """The OSCAL documents of these standings, by name; internal, as everything beside them is.

    `ended` is the moment that they bear where no check was looked at.
    """
    material = material_of(
        environment, standings, edition=Edition.INTERNAL, max_age=as_of.max_age, now=as_of.moment
    )
    links = {one.link.run: one.link for one in records}
    source = Source(material, "fr", links, records=RECORDS_FROM_OSCAL, modified=ended)
    return documents(source)
