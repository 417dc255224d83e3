"""What was last seen of the certificates of each host, kept beside the store."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.store.private import private_directory, replace_private

# What reads certificates takes long to import, and here is only read what it left.
if TYPE_CHECKING:
    from orchestrator.certificates.live import CertificateList


@dataclass(frozen=True)
class SeenCertificate:
    """A certificate as the last look saw it; `faults` are those of that day."""

    place: str
    subject: str
    ends: datetime
    faults: tuple[str, ...]


@dataclass(frozen=True)
class SeenHost:
    """When a host was last looked at, and the certificates that it had."""

    at: datetime
    certificates: tuple[SeenCertificate, ...]


def remember(
    environment: Environment, found: "CertificateList", hosts: Collection[str], now: datetime
) -> None:
    """Keep what was seen of the hosts that were asked and answered; the others keep their last.

    Raises PasInfraError when it cannot be kept.
    """
    seen: dict[str, list[SeenCertificate]] = {
        host: [] for host in hosts if host not in found.missing
    }
    for one in found.certificates:
        seen[one.host].append(SeenCertificate(one.place, one.subject, one.ends, one.faults))
    known = {**last_seen(environment)}
    known |= {host: SeenHost(now, tuple(certificates)) for host, certificates in seen.items()}
    content = {host: _as_data(one) for host, one in known.items()}
    private_directory(environment.store_directory)
    replace_private(_file(environment), json.dumps(content, indent=1, sort_keys=True).encode())


def last_seen(environment: Environment) -> Mapping[str, SeenHost]:
    """By host, what was seen last; raises PasInfraError when it cannot be read."""
    file = _file(environment)
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text("utf-8"))
        return {host: _seen(one) for host, one in content.items()}
    except (AttributeError, ValueError, LookupError, TypeError) as error:
        raise PasInfraError(
            f"this is no list of certificates any more: {error}",
            where=file,
            next_step="remove it: `pas-infra certs` makes it anew",
        ) from error


def _seen(content: Mapping[str, Any]) -> SeenHost:
    return SeenHost(
        _moment(content["at"]),
        tuple(
            SeenCertificate(
                str(one["place"]), str(one["subject"]), _moment(one["ends"]), tuple(one["faults"])
            )
            for one in content["certificates"]
        ),
    )


def _moment(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        raise ValueError(f"{written} is of no time zone")
    return moment


def _as_data(seen: SeenHost) -> dict[str, Any]:
    return {
        "at": seen.at.isoformat(),
        "certificates": [
            {
                "place": one.place,
                "subject": one.subject,
                "ends": one.ends.isoformat(),
                "faults": list(one.faults),
            }
            for one in seen.certificates
        ],
    }


def _file(environment: Environment) -> Path:
    return environment.store_directory / "certificates.json"
