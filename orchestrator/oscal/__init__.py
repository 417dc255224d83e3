"""OSCAL: the measures, what keeps them and what was seen, as compliance tools read it."""

from orchestrator.oscal.document import RESULTS, number_of
from orchestrator.oscal.source import Source, material_of
from orchestrator.oscal.write import documents, write_documents

__all__ = ["RESULTS", "Source", "documents", "material_of", "number_of", "write_documents"]
