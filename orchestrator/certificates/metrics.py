"""The ends of certificates, for Prometheus' node exporter (its textfile collector)."""

from orchestrator.certificates.live import CertificateList
from orchestrator.metrics import as_text, gauge


def as_metrics(found: CertificateList) -> str:
    """Two gauges: when each certificate ends, in seconds since 1970; whether a host was asked."""
    ends: dict[tuple[str, str, str], float] = {}
    for one in found.certificates:
        # Two listeners on one port may show the same: a series is written once, the earliest end.
        series, end = (one.host, one.place, one.subject), one.ends.timestamp()
        ends[series] = min(end, ends.get(series, end))
    up = dict.fromkeys(sorted({one.host for one in found.certificates}), 1)
    up |= dict.fromkeys(sorted(found.missing), 0)
    return as_text(
        [
            *gauge(
                "pas_certificate_not_after_seconds",
                "When a certificate ends",
                (
                    ({"host": host, "place": place, "subject": subject}, end)
                    for (host, place, subject), end in ends.items()
                ),
            ),
            *gauge(
                "pas_certificate_host_up",
                "Whether the host said what it has",
                (({"host": host}, value) for host, value in up.items()),
            ),
        ]
    )
