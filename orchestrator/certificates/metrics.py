"""The ends of certificates, for Prometheus' node exporter (its textfile collector)."""

from collections.abc import Iterable

from orchestrator.certificates.live import Certificate

_NAME = "pas_certificate_not_after_seconds"


def as_metrics(certificates: Iterable[Certificate]) -> str:
    """One gauge a certificate: when it ends, in seconds since 1970."""
    lines = [f"# HELP {_NAME} When a certificate ends.", f"# TYPE {_NAME} gauge"]
    for one in certificates:
        labels = {"host": one.host, "place": one.place, "subject": one.subject}
        said = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        lines.append(f"{_NAME}{{{said}}} {one.ends.timestamp():.0f}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
