"""The ends of certificates, for Prometheus' node exporter (its textfile collector)."""

from collections.abc import Mapping

from orchestrator.certificates.live import CertificateList

_END = "pas_certificate_not_after_seconds"
_UP = "pas_certificate_host_up"


def as_metrics(found: CertificateList) -> str:
    """Two gauges: when each certificate ends, in seconds since 1970; whether a host was asked."""
    ends: dict[str, float] = {}
    for one in found.certificates:
        labels = {"host": one.host, "place": one.place, "subject": one.subject}
        # Two listeners on one port may show the same: a series is written once, the earliest end.
        end = one.ends.timestamp()
        ends[_labels(labels)] = min(end, ends.get(_labels(labels), end))
    up = {_labels({"host": host}): 1 for host in sorted({one.host for one in found.certificates})}
    up |= {_labels({"host": host}): 0 for host in sorted(found.missing)}
    return (
        f"# HELP {_END} When a certificate ends.\n# TYPE {_END} gauge\n"
        + "".join(f"{_END}{labels} {end:.0f}\n" for labels, end in ends.items())
        + f"# HELP {_UP} Whether the host said what it has.\n# TYPE {_UP} gauge\n"
        + "".join(f"{_UP}{labels} {value}\n" for labels, value in up.items())
    )


def _labels(labels: Mapping[str, str]) -> str:
    said = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    return f"{{{said}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
