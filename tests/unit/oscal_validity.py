"""Whether compliance-trestle, the tool of the field, takes an OSCAL document."""

from pathlib import Path

from trestle.core.validator_factory import validator_factory
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog
from trestle.oscal.component import ComponentDefinition

MODELS = {
    "catalog": Catalog,
    "component-definition": ComponentDefinition,
    "assessment-results": AssessmentResults,
}


def is_valid(file: Path) -> bool:
    """Whether it reads the document, and finds nothing against it."""
    model = MODELS[file.stem].oscal_read(file)
    judges = validator_factory.get_all()
    return bool(judges) and all(one.model_is_valid(model, quiet=True) for one in judges)
