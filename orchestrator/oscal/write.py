"""The documents, made from the store and written side by side."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.catalogue import load_catalogue
from orchestrator.environment import Environment
from orchestrator.measures import view_measures
from orchestrator.oscal.catalog import catalog
from orchestrator.oscal.components import component_definition
from orchestrator.oscal.document import CATALOG, COMPONENTS, RESULTS
from orchestrator.oscal.results import assessment_results
from orchestrator.oscal.source import Source, material_of
from orchestrator.paths import project_root
from orchestrator.report.files import make_directory, put
from orchestrator.report.material import Edition
from orchestrator.report.standing import require_looks, standings
from orchestrator.store import Store


def documents(source: Source) -> Mapping[str, bytes]:
    """Each document by the name of its file; they refer to each other by these."""
    return {
        CATALOG: catalog(source),
        COMPONENTS: component_definition(source),
        RESULTS: assessment_results(source),
    }


def write_documents(
    environment: Environment,
    directory: Path,
    *,
    edition: Edition,
    language: str,
    max_age: timedelta,
    now: datetime,
) -> list[Path]:
    """Write the documents of where the measures stand into `directory`; the same as the report's.

    Raises PasInfraError when no run has looked at a check yet, for a store that cannot be read and
    a directory that cannot be written to.
    """
    views = view_measures(load_catalogue(), project_root(), environment.pas_document)
    with Store.open(environment.store_directory, environment.name) as store:
        found = standings(views, environment, store, max_age=max_age, now=now)
        require_looks(found, store)
        links = {link.run: link for link in store.chain.links()}
    material = material_of(environment, found, edition=edition, max_age=max_age, now=now)
    made = documents(Source(material, language, links))
    directory = make_directory(directory, "OSCAL document")
    for name, content in made.items():
        put(directory / name, content)
    return [directory / name for name in made]
