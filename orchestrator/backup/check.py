"""Repositories checked twice: by the target, which has no key, and by the source, which has."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from shlex import quote

from orchestrator.backup.entries import catalogue_of
from orchestrator.backup.repositories import Line, Repository, lines_to
from orchestrator.backup.session import Tell, work
from orchestrator.engine import Question, ask
from orchestrator.environment import Environment
from orchestrator.errors import Incomplete
from orchestrator.exit_codes import ExitCode
from orchestrator.records import RunStatus
from orchestrator.runs import recorded, utc_now

_PATIENCE = 6 * 3600.0
# Alone, and as whoever serves: root would leave files of its own in the repository.
_KEYLESS = """\
import fcntl, json, subprocess
from pathlib import Path
asked = json.loads(Path("/etc/pas-infra/backup-target/{host}.json").read_text())
found = {{}}
with open(asked["place"] + "/.lock") as alone:
    fcntl.flock(alone, fcntl.LOCK_EX)
    for name in {names}:
        done = subprocess.run(
            ["runuser", "-u", asked["serving"], "--", "env", "BORG_BASE_DIR=/tmp/pas-store",
             "borg", "check", "--repository-only", asked["place"] + "/" + name],
            capture_output=True, text=True, cwd="/")
        found[name] = (done.stdout + done.stderr).splitlines() if done.returncode else []
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Checked:
    """What was found damaged, in borg's words, by repository; nothing where all is sound."""

    run_id: int
    damaged: Mapping[str, tuple[str, ...]]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return ExitCode.FINDINGS if any(self.damaged.values()) else ExitCode.OK


def check(
    environment: Environment, chosen: Iterable[Repository], tell: Tell, *, keyless: bool
) -> Checked:
    """Check these repositories at the target and, unless `keyless`, with their keys; recorded."""
    damaged: dict[str, tuple[str, ...]] = {}
    wanted = sorted(chosen, key=str)
    with recorded(environment, "backup check", {"sets": [str(one) for one in wanted]}) as record:
        lines = lines_to(environment, [one.host for one in wanted])
        for host, group in groupby(wanted, key=lambda one: one.host):
            names = [one.name for one in group]
            tell(f"{host}: at the target, without a key")
            said = _without_key(lines[host], names)
            if not keyless:
                opened = work(lines[host], {"what": "check", "names": names}, tell)["damaged"]
                said = {name: (*said[name], *opened.get(name, ())) for name in names}
            catalogue = catalogue_of(environment, host)
            for name in names:
                damaged[f"{host}/{name}"] = said[name]
                catalogue.checks[name] = {
                    "at": utc_now().isoformat(timespec="seconds"),
                    "with_key": not keyless,
                    "damaged": list(said[name]),
                }
            catalogue.save()
        if found := [name for name, why in damaged.items() if why]:
            record.end_with(RunStatus.FINDINGS, f"damaged: {', '.join(found)}")
        return Checked(record.id, damaged)


def _without_key(line: Line, names: list[str]) -> dict[str, tuple[str, ...]]:
    host, target = line.source.host, line.target.host
    said, missing = ask(
        [line.target],
        Question(
            f"its repositories of {host}",
            f"sudo -n python3 -I - {quote(host)}",
            json.loads,
            script=_KEYLESS.format(host=host, names=json.dumps(names)),
            patience=_PATIENCE,
        ),
    )
    if target in missing:
        raise Incomplete(f"{target}: {missing[target]}", where=target)
    return {name: tuple(str(line) for line in said[target][name]) for name in names}
