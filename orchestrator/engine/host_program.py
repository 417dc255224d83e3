"""Programs of ours that run on a host: sent over SSH with what is asked, answered in JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.engine.asking import Question, ask, printable
from orchestrator.engine.connections import Connection
from orchestrator.errors import Incomplete, PasInfraError

_PACKAGE = Path(__file__).parent.parent
_PROGRAM = """\
import json, sys, types
for name, text in {sources!r}.items():
    sys.modules[name] = module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
print(json.dumps(module.answer(json.loads({asked!r}))))
"""


@dataclass(frozen=True)
class HostProgram:
    """Modules that run on a host as root; the last one's `answer` takes a request, gives a dict.

    `modules` are in the order of their imports; each is a module of the same name there. Secrets
    of a request are on stdin only, with the program. `subject` is what is asked for, `remedy` what
    to do when the host refuses; `patience` is in seconds, `at_most` the bytes of an answer.
    """

    subject: str
    modules: tuple[str, ...]
    remedy: str
    patience: float
    at_most: int = 64 << 20

    def question(self, request: Mapping[str, object]) -> Question[dict[str, Any]]:
        """The request as a question to hosts."""
        sources = {name: _source(name) for name in self.modules}
        return Question(
            self.subject,
            "sudo -n python3 -I -B -",
            _read,
            script=_PROGRAM.format(sources=sources, asked=json.dumps(dict(request))),
            patience=self.patience,
            at_most=self.at_most,
        )

    def call(self, connection: Connection, where: str, **request: object) -> dict[str, Any]:
        """One host's answer to one request; `where` is what it is about.

        Raises Incomplete when there is none, and PasInfraError when the host refuses.
        """
        given, missing = ask([connection], self.question(request))
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
                where=where,
                next_step=self.remedy,
            )
        return said


def _read(text: str) -> dict[str, Any]:
    answer = json.loads(text)
    if not isinstance(answer, dict):
        raise ValueError("it is no object of JSON")
    return answer


def _source(module: str) -> str:
    relative = Path(*module.split(".")[1:]).with_suffix(".py")
    return (_PACKAGE / relative).read_text("utf-8")
