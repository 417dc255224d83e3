"""From ansible-runner's events to typed results: pure, so that recorded events can test it."""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.catalogue import measure_of
from orchestrator.engine.objects import object_of, target_of
from orchestrator.records import HostRecap, TaskResult, TaskStatus, Touched

_STATUS_OF_EVENT = {
    "runner_on_ok": TaskStatus.OK,
    "runner_on_failed": TaskStatus.FAILED,
    "runner_on_skipped": TaskStatus.SKIPPED,
    "runner_on_unreachable": TaskStatus.UNREACHABLE,
}
_ITEM_EVENTS = frozenset({"runner_item_on_ok", "runner_item_on_failed"})
_TALK = frozenset({"verbose", "error", "warning"})
# Ansible sends an event when it skips one of these, and leaves it out of its statistics.
_UNCOUNTED = frozenset({"meta", "ansible.builtin.meta"})
_INCLUDES = frozenset({"ansible.builtin.include_tasks", "ansible.builtin.include_role"})
_LONGEST_TALK = 40  # lines kept to explain a run that ended without results
_LOOKS = 500  # into the ledger, for one entry


@dataclass
class Ledger:
    """What `pas_infra_ledger` wrote: tags, changes that are censored, skips due to check mode."""

    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    handlers: set[str] = field(default_factory=set)
    censored_changed: dict[tuple[str, str], bool] = field(default_factory=dict)
    skipped_blind: dict[tuple[str, str], bool] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        """Take over the lines that were added since the last call."""
        for line in lines:
            entry = json.loads(line)
            if "blind" in entry:
                self.skipped_blind[entry["host"], entry["task"]] = entry["blind"]
                continue
            if "host" in entry:
                self.censored_changed[entry["host"], entry["task"]] = entry["changed"]
                continue
            self.tags[entry["task"]] = tuple(entry["tags"])
            if entry["handler"]:
                self.handlers.add(entry["task"])


class EventReader:
    """Turns one run's events, in their order, into results, statistics and gaps.

    `refresh` reads what Ansible has added to the ledger, and is called until that is there which an
    event refers to; `redact` removes secrets from every text that is kept.
    """

    def __init__(
        self, ledger: Ledger, *, refresh: Callable[[], None], redact: Callable[[str], str]
    ) -> None:
        self._ledger = ledger
        self._refresh = refresh
        self._redact = redact
        self._item_diffs: dict[tuple[str, str], list[str]] = {}
        self._items_touched: dict[tuple[str, str], list[Touched]] = {}
        self._item_messages: dict[tuple[str, str], list[str]] = {}
        self._items_done: Counter[tuple[str, str]] = Counter()
        self.results: list[TaskResult] = []
        # By host, what the statistics count beyond one "ok" a result: an include in a loop is one
        # result, and counted once for each item.
        self.more_ok: Counter[str] = Counter()
        self.recap: dict[str, HostRecap] | None = None
        self.talk: list[str] = []
        self.no_hosts_matched = False
        self.lost = 0

    def read(self, event: Mapping[str, Any]) -> TaskResult | None:
        """Take in one event; returns the result that it completes, if it does."""
        kind = event.get("event")
        data = event.get("event_data") or {}
        if kind is None or (kind not in _TALK and not data):
            # ansible-runner goes on without the file that carries an event's data. Its own check
            # for that (check_job_event_data) trips over every plain line of output.
            self.lost += 1
        elif kind == "playbook_on_stats":
            self.recap = recap_of(data)
        elif kind in ("playbook_on_no_hosts_matched", "playbook_on_no_hosts_remaining"):
            self.no_hosts_matched |= kind == "playbook_on_no_hosts_matched"
        elif kind in _TALK:
            self.talk = [*self.talk, self._redact(str(event.get("stdout", "")))][-_LONGEST_TALK:]
        elif kind in _ITEM_EVENTS:
            self._keep_item(kind, data)
        elif kind in _STATUS_OF_EVENT and data.get("task_action") not in _UNCOUNTED:
            result = self._result(kind, data)
            self.results.append(result)
            return result
        return None

    def _keep_item(self, kind: str, data: Mapping[str, Any]) -> None:
        key = (data["host"], data["task_uuid"])
        result = data.get("res") or {}
        if result.get("diff"):
            self._item_diffs.setdefault(key, []).append(
                render_diff(result["diff"], target_of(result))
            )
        self._items_touched.setdefault(key, []).extend(self._touched(_action(data), result))
        self._items_done[key] += kind == "runner_item_on_ok"
        if kind == "runner_item_on_failed":
            self._item_messages.setdefault(key, []).append(str(result.get("msg", "")))

    def _result(self, kind: str, data: Mapping[str, Any]) -> TaskResult:
        host, task_id = data["host"], data["task_uuid"]
        content = data.get("res") or {}
        self._read_up_to(self._ledger.tags, task_id)
        if kind == "runner_on_ok" and "censored" in content:
            self._read_up_to(self._ledger.censored_changed, (host, task_id))
        if kind == "runner_on_skipped":
            self._read_up_to(self._ledger.skipped_blind, (host, task_id))
        tags = self._ledger.tags.get(task_id, ())
        diffs = self._item_diffs.pop((host, task_id), [])
        if not diffs and content.get("diff"):
            diffs = [render_diff(content["diff"], target_of(content))]
        messages = self._item_messages.pop((host, task_id), [])
        censored = "censored" in content
        action = _action(data)
        touched = self._items_touched.pop((host, task_id), None)
        if touched is None:
            touched = self._touched(action, content)
        if action in _INCLUDES and kind == "runner_on_ok":
            self.more_ok[host] += max(self._items_done.pop((host, task_id), 1) - 1, 0)
        return TaskResult(
            host=host,
            role=data.get("role", ""),
            task=self._redact(data.get("task", "")),  # a name may be a template
            action=action,
            status=self._status(kind, data, content),
            measures=tuple(m for tag in tags if (m := measure_of(tag))),
            diff="" if censored else self._redact("".join(diffs)),
            message="" if censored else self._redact("; ".join(messages) or _message(content)),
            duration=float(data.get("duration") or 0.0),
            path=data.get("task_path", ""),
            censored=censored,
            handler=task_id in self._ledger.handlers,
            touched=tuple(touched),
        )

    def _touched(self, action: str, content: Mapping[str, Any]) -> list[Touched]:
        """What a result, or an item of one, changed; nothing of one that is censored."""
        found = object_of(action, content)
        if found is None or not content.get("changed") or "censored" in content:
            return []
        diff = render_diff(content.get("diff"), target_of(content))
        return [Touched(found[0], self._redact(found[1]), self._redact(diff))]

    def _read_up_to(self, entries: Container[object], entry: object) -> None:
        """Ansible sends an event first and writes the ledger then; what never comes is a gap."""
        for _ in range(_LOOKS):
            if entry in entries:
                return
            self._refresh()

    def _status(self, kind: str, data: Mapping[str, Any], content: Mapping[str, Any]) -> TaskStatus:
        if kind == "runner_on_failed" and data.get("ignore_errors"):
            return TaskStatus.IGNORED
        if kind == "runner_on_skipped":
            # Of one of which the ledger says nothing, nothing is known.
            blind = self._ledger.skipped_blind.get((data["host"], data["task_uuid"]), True)
            return TaskStatus.BLIND if blind else TaskStatus.SKIPPED
        if kind != "runner_on_ok":
            return _STATUS_OF_EVENT[kind]
        if "censored" in content:
            changed = self._ledger.censored_changed.get((data["host"], data["task_uuid"]), False)
        else:
            changed = bool(content.get("changed"))
        return TaskStatus.CHANGED if changed else TaskStatus.OK


def recap_of(stats: Mapping[str, Any]) -> dict[str, HostRecap]:
    """Ansible's final statistics, host by host."""
    hosts = {host for counts in stats.values() if isinstance(counts, dict) for host in counts}
    return {
        host: HostRecap(
            ok=stats.get("ok", {}).get(host, 0),
            changed=stats.get("changed", {}).get(host, 0),
            skipped=stats.get("skipped", {}).get(host, 0),
            failed=stats.get("failures", {}).get(host, 0),
            unreachable=stats.get("dark", {}).get(host, 0),
            ignored=stats.get("ignored", {}).get(host, 0),
            rescued=stats.get("rescued", {}).get(host, 0),
        )
        for host in sorted(hosts)
    }


def rescue(results: Iterable[TaskResult], recap: Mapping[str, HostRecap]) -> list[TaskResult]:
    """Mark what the play put up with, which the statistics say and the events do not.

    Failures that a block repaired become rescued; of a host that was not reached while the play
    ignores that (`ignore_unreachable`), the results become ignored.
    """
    results = list(results)
    absent = Counter(r.host for r in results if r.status is TaskStatus.UNREACHABLE)
    left = {
        TaskStatus.FAILED: {host: counts.rescued for host, counts in recap.items()},
        TaskStatus.UNREACHABLE: {h: absent[h] - counts.unreachable for h, counts in recap.items()},
    }
    instead = {
        TaskStatus.FAILED: TaskStatus.RESCUED,
        TaskStatus.UNREACHABLE: TaskStatus.IGNORED,
    }
    marked = []
    for result in results:
        # The first ones: what ends a host's part of the play comes last.
        if left.get(result.status, {}).get(result.host, 0) > 0:
            left[result.status][result.host] -= 1
            marked.append(replace(result, status=instead[result.status]))
        else:
            marked.append(result)
    return marked


def render_diff(diff: Any, target: str = "") -> str:
    """Ansible's diff (one or a list; before/after texts or structures, or prepared) as unified.

    `target` heads both sides: Ansible's own headers name temporary files, never the same twice.
    """
    if isinstance(diff, list):
        return "".join(render_diff(part, target) for part in diff)
    if not isinstance(diff, dict):
        return ""
    if "prepared" in diff:
        return str(diff["prepared"]).rstrip("\n") + "\n"
    if "before" not in diff and "after" not in diff:
        return ""
    before, after = _lines(diff.get("before")), _lines(diff.get("after"))
    return "".join(
        difflib.unified_diff(
            before,
            after,
            fromfile=target or str(diff.get("before_header") or "before"),
            tofile=target or str(diff.get("after_header") or "after"),
        )
    )


def _action(data: Mapping[str, Any]) -> str:
    return str(data.get("resolved_action") or data.get("task_action", ""))


def _lines(side: Any) -> list[str]:
    if side is None:
        return []
    text = side if isinstance(side, str) else json.dumps(side, indent=2, sort_keys=True)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


def _message(content: Mapping[str, Any]) -> str:
    """What a module has to say: its message, and what its command printed as an error."""
    parts = [content.get("msg"), content.get("stderr"), content.get("module_stderr")]
    return "\n".join(str(part).strip() for part in parts if part)
