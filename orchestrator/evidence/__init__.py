"""Evidence: signed bundles of what was recorded, and the proof that nobody has changed it since."""

from orchestrator.evidence.export import Exported, export
from orchestrator.evidence.finding import Finding
from orchestrator.evidence.verified import Verified
from orchestrator.evidence.verify import verify_bundle
from orchestrator.evidence.verify_store import verify_store

__all__ = ["Exported", "Finding", "Verified", "export", "verify_bundle", "verify_store"]
