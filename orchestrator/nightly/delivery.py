"""A message brought to people by mail, and to a program by HTTP."""

import json
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from orchestrator.environment import Nightly
from orchestrator.nightly.message import Message
from orchestrator.operator import control_node_name, current_operator

_SMTP = 25
_HERE = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Undelivered:
    """Whom a message did not reach, and why."""

    to: str
    why: str


def deliver(message: Message, nightly: Nightly) -> list[Undelivered]:
    """Bring a message to everybody who is declared; those whom it did not reach."""
    ways: dict[str, Callable[[], None]] = {}
    if nightly.mail_to:
        ways[", ".join(nightly.mail_to)] = lambda: _mail(message, nightly)
    if (file := nightly.webhook_file) is not None:
        # Its address may be what lets a message in: nobody is told it.
        ways[f"the webhook of {file}"] = lambda: _post(message, _address_in(file))
    missed = []
    for to, way in ways.items():
        try:
            way()
        except (OSError, smtplib.SMTPException) as error:
            missed.append(Undelivered(to, _why(error)))
    return missed


def _mail(message: Message, nightly: Nightly) -> None:
    mail = EmailMessage()
    mail["Subject"] = message.subject
    mail["To"] = ", ".join(nightly.mail_to)
    mail["From"] = nightly.mail_from or f"{current_operator()}@{control_node_name()}"
    # No holiday note answers it.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    host, _, port = nightly.relay.partition(":")
    with smtplib.SMTP(host, int(port or _SMTP), timeout=_PATIENCE) as relay:
        if host not in _HERE:
            # What leaves this machine does so over TLS, or not at all.
            relay.starttls(context=ssl.create_default_context())
        relay.send_message(mail)


def _address_in(file: Path) -> str:
    address = file.read_text("utf-8").strip()
    if not address.startswith("https://"):
        raise OSError("there is no https:// address in it")
    return address


def _post(message: Message, url: str) -> None:
    request = Request(  # noqa: S310 - https only, see above
        url,
        data=json.dumps(
            {"subject": message.subject, "text": message.text, **message.data}
        ).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "pas-infra"},
    )
    context = ssl.create_default_context()
    with urlopen(request, timeout=_PATIENCE, context=context):  # noqa: S310 - the same
        pass


def _why(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return str(error)
    if isinstance(error, URLError):
        return str(error.reason)
    return str(getattr(error, "strerror", None) or error)
