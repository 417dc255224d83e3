"""What is asked of a host about its keys."""

import re
from typing import Any

from orchestrator.engine import Connection, HostProgram, printable
from orchestrator.errors import PasInfraError

KEYS = HostProgram(
    "its encrypted disks",
    tuple(
        f"orchestrator.keys.host.{name}"
        for name in (
            "luks",
            "alone",
            "tokens",
            "volume_key",
            "passphrase",
            "tang",
            "answers",
        )
    ),
    remedy="pas-infra keys status shows what is there",
    # Seconds: a key of argon2id takes about three, and a device with many slots tries each.
    patience=300.0,
)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def call(connection: Connection, what: str, **request: object) -> dict[str, Any]:
    """One host's answer to one request.

    Raises Incomplete when there is none, and PasInfraError when the host refuses.
    """
    where = str(request.get("uuid", connection.address))
    said = KEYS.call(connection, where, what=what, **request)
    # It goes on to Ansible, which would take an expression for one of its own.
    if not SHA256.fullmatch(str(said.get("sha256", "0" * 64))):
        raise PasInfraError(
            f"{connection.host} gives no sum of a header: {printable(str(said['sha256']))}",
            where=connection.address,
            next_step="find out who has changed its programs",
        )
    return said
