"""Record what ansible-runner and our ledger say of each case: see README.md beside this file.

`python tests/unit/events/record.py [CASE]...`: changes nothing but a temporary directory and the
files of the cases.
"""

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent
sys.path.insert(0, str(CASES.parent))  # the tests' own modules, as pytest has them

from recorded_events import CANARY, results_of  # noqa: E402

from orchestrator.engine import PlayRequest, Strategy  # noqa: E402
from orchestrator.engine.private import private_directory  # noqa: E402
from orchestrator.engine.run import OnProgress, _Run  # noqa: E402
from orchestrator.environment import ControlNode, Environment, Place  # noqa: E402
from orchestrator.paths import project_root  # noqa: E402

CHECKED = ("checked",)  # the cases that run in check mode
_HOSTS = f"""\
all:
  hosts:
    first:
    second:
    gone:
      ansible_connection: ssh
      ansible_host: 127.0.0.1
      ansible_port: 1
      ansible_ssh_common_args: -F none
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"
    place: "{{{{ lookup('ansible.builtin.env', 'PAS_INFRA_LEDGER') | dirname }}}}"
    canary: {json.dumps(CANARY)}
  children:
    nobody:
"""
# What the engine may read; the rest (users, arguments, times) changes with machine and moment.
_KEPT = (
    "host", "task_uuid", "role", "task", "task_action", "resolved_action", "task_path",
    "ignore_errors", "res", "ok", "changed", "skipped", "failures", "dark", "ignored", "rescued",
    "playbook", "name",
)  # fmt: skip
_KEPT_RESULT = (
    "censored", "changed", "dest", "diff", "failed", "invocation", "item", "module_stderr", "msg",
    "path", "skipped", "stderr", "stdout", "unreachable",
)  # fmt: skip
_KEPT_ARGUMENTS = ("dest", "path")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _RecordedRun(_Run):
    """The engine's own run, with every event kept."""

    def __init__(self, request: PlayRequest, private: Path) -> None:
        super().__init__(request, private, at_hand={})
        self.events: list[Mapping[str, Any]] = []

    def _pass_on(self, event: Mapping[str, Any], on_progress: OnProgress) -> None:
        self.events.append(event)
        super()._pass_on(event, on_progress)

    def _environment_variables(self) -> dict[str, str]:
        roles = str(CASES / "roles")
        return {**super()._environment_variables(), "ANSIBLE_ROLES_PATH": roles}


def record(case: Path, inventory: Path) -> None:
    """Run the case's playbook and write what was said of it."""
    (inventory / "hosts.yml").write_text(_HOSTS)
    request = PlayRequest(
        environment=_environment(inventory),
        playbook=case / "playbook.yml",
        hosts=("first", "second", "gone"),
        check=case.name in CHECKED,
        strategy=Strategy.LINEAR,
    )
    with private_directory() as private:
        (private / "hosts").write_text("127.0.0.1 localhost\n")
        run = _RecordedRun(request, private)
        run.follow(lambda _: None)
        ledger = (private / "ledger").read_text()
        events = "".join(f"{json.dumps(_trimmed(event))}\n" for event in run.events)
        hide = _Placeholders({str(private): "PRIVATE", str(project_root()): "PROJECT"})
        (case / "events.jsonl").write_text(hide(events))
        (case / "ledger.jsonl").write_text(hide(ledger))
    expected = case / "expected.json"
    if not expected.exists():
        expected.write_text(json.dumps(results_of(case), indent=2, ensure_ascii=False) + "\n")


class _Placeholders:
    """Replaces what names this machine or this moment, the same each time."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths
        self._tasks: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        for path, name in self._paths.items():
            text = text.replace(path, name)
        text = re.sub(r"PRIVATE/tmp/[^\s\"]*/", "TEMPORARY/", text)
        return _UUID.sub(lambda found: self._task(found.group()), text)

    def _task(self, uuid: str) -> str:
        return self._tasks.setdefault(uuid, f"task-{len(self._tasks) + 1}")


def _trimmed(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event.get("event_data") or {}
    kept = {key: data[key] for key in _KEPT if key in data}
    if isinstance(kept.get("res"), dict):
        kept["res"] = {key: kept["res"][key] for key in _KEPT_RESULT if key in kept["res"]}
        if "invocation" in kept["res"]:
            arguments = kept["res"]["invocation"].get("module_args", {})
            kept["res"]["invocation"] = {
                "module_args": {key: arguments[key] for key in _KEPT_ARGUMENTS if key in arguments}
            }
    if "duration" in data:
        kept["duration"] = 0.25
    return {"event": event.get("event"), "stdout": event.get("stdout", ""), "event_data": kept}


def _environment(directory: Path) -> Environment:
    return Environment(
        name="recorded", kind="lab", directory=directory, description="",
        control_node=ControlNode(Place("", ""), None), store_directory=directory,
        pas_document=None, vault=None, hosts=(), lab=None, people=None, waivers=(), files=(),
    )  # fmt: skip


if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.parent.name for path in CASES.glob("*/playbook.yml"))
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            record(CASES / name, Path(scratch))
        print(f"recorded {name}")  # noqa: T201
