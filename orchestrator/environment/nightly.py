"""How the nightly look is done, and who hears of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Nightly:
    """When it begins (systemd.time(7)), under which account, and where its result goes.

    `mail_to` without an address sends no mail; `relay` (HOST or HOST:PORT) takes it. `webhook_file`
    holds the address of a webhook; `metrics` is a file of Prometheus' textfile collector.
    """

    at: str = "02:30"
    account: str = "pas-infra"
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    relay: str = "localhost"
    webhook_file: Path | None = None
    metrics: Path | None = None

    @classmethod
    def from_data(cls, declared: Mapping[str, Any]) -> Self:
        """As environment.yml has it."""
        mail = declared.get("mail", {})
        webhook, metrics = declared.get("webhook_file"), declared.get("metrics")
        return cls(
            at=declared.get("at", cls.at),
            account=declared.get("account", cls.account),
            mail_to=tuple(mail.get("to", ())),
            mail_from=mail.get("from", ""),
            relay=mail.get("relay", cls.relay),
            webhook_file=Path(webhook) if webhook else None,
            metrics=Path(metrics) if metrics else None,
        )


USUAL_NIGHT = Nightly()
