"""Work with the backups of a source: it waits, and the target is told to come to it."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.backup.repositories import Line
from orchestrator.engine import Question, ask, printable
from orchestrator.errors import Incomplete, PasInfraError

Tell = Callable[[str], None]
_PROGRAM = "sudo -n python3 -I /usr/local/lib/pas-infra/backup job"
_HOURS = 24 * 3600.0  # what a first backup may take


def work(line: Line, request: Mapping[str, object], tell: Tell) -> dict[str, Any]:
    """What the source answers to a request, over the sessions that the target offers it.

    Secrets of the request are on stdin only. Raises Incomplete when one of the two does not answer,
    PasInfraError when the source refuses.
    """
    source, target = line.source.host, line.target.host
    coming: dict[str, str] = {}
    come = threading.Thread(target=_come, args=(line, coming))
    # Nobody reads its errors before it has ended: a pipe would be full sometime.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as complaints,
        subprocess.Popen(
            [*line.source.ssh_batch, _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            encoding="utf-8",
            errors="surrogateescape",
        ) as process,
    ):
        assert process.stdin and process.stdout  # noqa: PT018, S101 - for mypy
        process.stdin.write(json.dumps(dict(request)))
        process.stdin.close()
        answer: dict[str, Any] | None = None
        for text in process.stdout:
            said = _read(text)
            if said.get("progress") == "ready":
                come.start()
            elif "progress" in said:
                tell(printable(str(said["progress"])))
            else:
                answer = said
        code = process.wait()
        complaints.seek(0)
        errors = complaints.read().strip().splitlines()
    if come.ident is not None:
        come.join()
    if answer is None:
        raise Incomplete(
            f"{source}: {printable((errors or [f'its backup program ended with {code}'])[-1])}",
            where=line.source.address,
            next_step=f"pas-infra apply --role backup_source --limit {source}, and then again",
        )
    if "refused" in answer:
        why = f"; {target}: {coming['why']}" if coming else ""
        raise PasInfraError(
            f"{source}: {printable(str(answer['refused']))}{why}",
            where=source,
            next_step="pas-infra backup status shows what there is",
        )
    return answer


def _come(line: Line, coming: dict[str, str]) -> None:
    command = f"sudo -n systemctl start pas-infra-backup-job@{line.source.host}.service"
    question = Question("its side of the connection", command, str, patience=_HOURS)
    _, missing = ask([line.target], question)
    if missing:
        coming["why"] = missing[line.target.host]


def _read(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {"progress": text.strip()}
    return said if isinstance(said, dict) else {"progress": str(said)}
