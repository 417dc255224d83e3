"""What is asked of a host about its keys: a program and a request on stdin, JSON as the answer."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.engine import Connection, Question, ask, printable
from orchestrator.errors import Incomplete, PasInfraError

_HOST = Path(__file__).with_name("host")
# In the order of their imports; each is a module of the same name on the host.
_MODULES = ("luks", "volume_key", "passphrase", "answers")
_PROGRAM = """\
import json, sys, types
for name, text in {sources!r}.items():
    sys.modules[name] = module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
print(json.dumps(module.answer(json.loads({asked!r}))))
"""
# Seconds: a key of argon2id takes about three, and a device with many slots tries each.
_PATIENCE = 300.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


def question(request: Mapping[str, object]) -> Question[dict[str, Any]]:
    """The request as a question to hosts; passphrases are on stdin only, with the script."""
    sources = {
        f"orchestrator.keys.host.{name}": (_HOST / f"{name}.py").read_text("utf-8")
        for name in _MODULES
    }
    return Question(
        "its encrypted disks",
        "sudo -n python3 -I -",
        json.loads,
        script=_PROGRAM.format(sources=sources, asked=json.dumps(dict(request))),
        patience=_PATIENCE,
    )


def call(connection: Connection, what: str, **request: object) -> dict[str, Any]:
    """One host's answer to one request.

    Raises Incomplete when there is none, and PasInfraError when the host refuses.
    """
    given, missing = ask([connection], question({"what": what, **request}))
    if connection.host in missing:
        raise Incomplete(
            f"{connection.host}: {missing[connection.host]}",
            where=connection.address,
            next_step="the same command goes on where this one stopped",
        )
    said = given[connection.host]
    if "refused" in said:
        raise PasInfraError(
            f"{connection.host}: {printable(str(said['refused']))}",
            where=str(request.get("uuid", connection.address)),
            next_step="pas-infra keys status shows what is there",
        )
    # It goes on to Ansible, which would take an expression for one of its own.
    if not _SHA256.fullmatch(str(said.get("sha256", "0" * 64))):
        raise PasInfraError(
            f"{connection.host} gives no sum of a header: {printable(str(said['sha256']))}",
            where=connection.address,
            next_step="find out who has changed its programs",
        )
    return said
