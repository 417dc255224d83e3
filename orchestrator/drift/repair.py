"""What puts a finding right."""

from orchestrator.drift.memory import Known
from orchestrator.errors import PasInfraError


def what_repairs(known: Known) -> tuple[str, str]:
    """The host, and the role that an apply of which repairs it.

    Raises PasInfraError for a finding that is gone, or that no role declares.
    """
    finding = known.sighting
    if not known.open:
        raise PasInfraError(
            f"{finding.object} on {finding.host} is no finding any more: the last look at it did "
            "not see it",
            next_step="see what is open: pas-infra drift show",
        )
    if not finding.role:
        raise PasInfraError(
            f"no role declares {finding.object} on {finding.host}",
            next_step="declare it, remove it there by hand, or accept it: "
            f"pas-infra drift accept {finding.identity} (pas-infra drift baseline accepts the host "
            "as it is)",
        )
    return finding.host, finding.role
