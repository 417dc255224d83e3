"""Reading events one by one: what is lost, what is hidden, how a diff is shown."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.engine.events import EventReader, Ledger, recap_of, render_diff, rescue
from orchestrator.engine.redaction import REDACTED, redactor
from orchestrator.records import HostRecap, TaskResult, TaskStatus


def event(kind: str, host: str = "web1", task: str = "t1", **data: Any) -> dict[str, Any]:
    known = {"host": host, "task_uuid": task, "task": "Do it", "task_action": "command"}
    return {"event": kind, "event_data": {**known, **data}}


def reader_of(*ledger: Mapping[str, object], secrets: tuple[str, ...] = ()) -> EventReader:
    read = Ledger()
    lines = [json.dumps(entry) for entry in ledger]
    return EventReader(read, refresh=lambda: read.read(lines), redact=redactor(secrets))


TASK = {"task": "t1", "tags": ["always", "pas_6_2_1", "pas_x"], "handler": False}


def test_what_a_result_says() -> None:
    reader = reader_of(TASK)
    sent = event(
        "runner_on_ok",
        role="ssh",
        duration=1.5,
        task_path="main.yml:3",
        resolved_action="ansible.builtin.command",
        res={"changed": True, "msg": "done "},
    )
    result = reader.read(sent)
    assert result == TaskResult(
        host="web1",
        role="ssh",
        task="Do it",
        action="ansible.builtin.command",
        status=TaskStatus.CHANGED,
        measures=("6.2.1",),
        message="done",
        duration=1.5,
        path="main.yml:3",
    )
    assert reader.results == [result]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"uuid": "u", "counter": 3},
        {"event": "runner_on_ok"},
        {"event": "runner_on_ok", "event_data": {}},
        {"event": "playbook_on_stats", "event_data": {}},
    ],
    ids=str,
)
def test_an_event_whose_data_did_not_arrive_is_counted_as_lost(sent: dict[str, Any]) -> None:
    reader = reader_of()
    assert reader.read(sent) is None
    assert (reader.lost, reader.results, reader.recap) == (1, [], None)


@pytest.mark.parametrize("kind", ["verbose", "warning", "error"])
def test_plain_output_is_not_lost_but_kept_without_secrets(kind: str) -> None:
    reader = reader_of(secrets=("hunter22",))
    reader.read({"event": kind, "stdout": "[WARNING]: hunter22 is weak"})
    assert (reader.lost, reader.talk) == (0, [f"[WARNING]: {REDACTED} is weak"])


def test_only_the_end_of_long_output_is_kept() -> None:
    reader = reader_of()
    for number in range(100):
        reader.read({"event": "verbose", "stdout": str(number)})
    assert reader.talk == [str(number) for number in range(60, 100)]


def test_a_play_without_a_host() -> None:
    reader = reader_of()
    reader.read({"event": "playbook_on_no_hosts_remaining", "event_data": {"x": 1}})
    assert not reader.no_hosts_matched
    reader.read({"event": "playbook_on_no_hosts_matched", "event_data": {"x": 1}})
    assert reader.no_hosts_matched


@pytest.mark.parametrize("action", ["meta", "ansible.builtin.meta"])
def test_a_skipped_meta_task_is_no_result(action: str) -> None:
    reader = reader_of(TASK)
    assert reader.read(event("runner_on_skipped", task_action=action)) is None
    assert reader.results == []


@pytest.mark.parametrize(("changed", "status"), [(True, "changed"), (False, "ok")])
def test_the_ledger_says_whether_a_censored_task_changed(changed: bool, status: str) -> None:  # noqa: FBT001
    reader = reader_of(TASK, {"task": "t1", "host": "web1", "changed": changed})
    result = reader.read(event("runner_on_ok", res={"censored": "hidden", "changed": not changed}))
    assert result is not None
    assert (result.status, result.censored) == (status, True)


def test_a_censored_result_that_the_ledger_never_mentions_counts_as_unchanged() -> None:
    result = reader_of(TASK).read(event("runner_on_ok", res={"censored": "hidden"}))
    assert result is not None
    assert result.status is TaskStatus.OK  # the statistics then show the gap


def test_loops_of_two_hosts_do_not_mix() -> None:
    reader = reader_of(TASK)
    for host in ("web1", "web2"):
        diff = {"before": "", "after": f"{host}\n"}
        reader.read(event("runner_item_on_ok", host, res={"diff": diff, "dest": "/f"}))
    second = reader.read(event("runner_on_ok", "web2", res={"changed": True}))
    first = reader.read(event("runner_on_ok", "web1", res={"changed": True}))
    assert first is not None
    assert second is not None
    assert ("+web1" in first.diff, "+web2" in first.diff) == (True, False)
    assert ("+web1" in second.diff, "+web2" in second.diff) == (False, True)


@pytest.mark.parametrize(
    ("diff", "expected"),
    [
        pytest.param(None, "", id="none"),
        pytest.param([], "", id="empty list"),
        pytest.param({}, "", id="empty"),
        pytest.param("a text", "", id="no diff at all"),
        pytest.param({"before": "a\n", "after": "a\n"}, "", id="no difference"),
        pytest.param(
            {"before": "a\n", "after": "b\n"}, "--- F\n+++ F\n@@ -1 +1 @@\n-a\n+b\n", id="texts"
        ),
        pytest.param(
            {"before": "a", "after": "a\nb"},
            "--- F\n+++ F\n@@ -1 +1,2 @@\n a\n+b\n",
            id="last line without its end",
        ),
        pytest.param({"after": "b\n"}, "--- F\n+++ F\n@@ -0,0 +1 @@\n+b\n", id="new"),
        pytest.param(
            {"before": "b\n", "after": ""}, "--- F\n+++ F\n@@ -1 +0,0 @@\n-b\n", id="gone"
        ),
        pytest.param(
            {"before": {"mode": "0644", "a": 1}, "after": {"mode": "0600", "a": 1}},
            "--- F\n+++ F\n@@ -1,4 +1,4 @@\n {\n"
            '   "a": 1,\n-  "mode": "0644"\n+  "mode": "0600"\n }\n',
            id="structures",
        ),
        pytest.param({"prepared": "-a\n+b\n\n"}, "-a\n+b\n", id="prepared"),
        pytest.param(
            [{"before": "a\n", "after": "b\n"}, {"prepared": "+c"}],
            "--- F\n+++ F\n@@ -1 +1 @@\n-a\n+b\n+c\n",
            id="several",
        ),
        pytest.param({"src_binary": 1, "dst_binary": 1}, "", id="binary"),
    ],
)
def test_a_diff_is_shown_unified(diff: object, expected: str) -> None:
    assert render_diff(diff, "F") == expected


def test_without_a_target_ansibles_own_headers_stand() -> None:
    sides = {"before": "a\n", "after": "b\n", "before_header": "/etc/x"}
    assert render_diff(sides).splitlines()[:2] == ["--- /etc/x", "+++ after"]


@pytest.mark.parametrize(
    "text",
    [
        "p\"a'ss é\\",
        json.dumps({"key": "p\"a'ss é\\"}),
        json.dumps({"key": "p\"a'ss é\\"}, ensure_ascii=False),
        str({"key": "p\"a'ss é\\"}),
        "cCJhJ3NzIMOpXA==",
    ],
)
def test_a_secret_is_blacked_out_however_ansible_shows_it(text: str) -> None:
    redact = redactor(["p\"a'ss é\\"])
    assert REDACTED in redact(f"before {text} after")
    assert "ss" not in redact(text)


def test_of_secrets_inside_each_other_the_longest_is_blacked_out() -> None:
    assert redactor(["secret", "secret-long"])("a secret-long b secret") == (
        f"a {REDACTED} b {REDACTED}"
    )


def test_without_secrets_nothing_is_touched() -> None:
    assert redactor([])("as it is") == "as it is"


def test_recap_of_the_final_statistics() -> None:
    stats = {
        "playbook": "site.yml",
        "ok": {"web1": 5, "web2": 1},
        "changed": {"web1": 2},
        "failures": {"web1": 1},
        "dark": {"web3": 1},
        "ignored": {"web2": 1},
        "rescued": {"web2": 2},
        "skipped": {"web1": 3},
    }
    assert recap_of(stats) == {
        "web1": HostRecap(ok=5, changed=2, skipped=3, failed=1),
        "web2": HostRecap(ok=1, ignored=1, rescued=2),
        "web3": HostRecap(unreachable=1),
    }


FAILED, RESCUED = TaskStatus.FAILED, TaskStatus.RESCUED
AWAY, IGNORED, OK = TaskStatus.UNREACHABLE, TaskStatus.IGNORED, TaskStatus.OK


@pytest.mark.parametrize(
    ("seen", "recap", "settled"),
    [
        pytest.param([FAILED], HostRecap(failed=1), [FAILED], id="a failure stays one"),
        pytest.param([FAILED, OK], HostRecap(ok=1, rescued=1), [RESCUED, OK], id="repaired"),
        pytest.param(
            [FAILED, FAILED], HostRecap(rescued=1, failed=1), [RESCUED, FAILED], id="in the rescue"
        ),
        pytest.param([AWAY], HostRecap(unreachable=1), [AWAY], id="unreachable stays so"),
        pytest.param([AWAY, OK], HostRecap(ok=2, ignored=1), [IGNORED, OK], id="ignored"),
        pytest.param(
            [AWAY, AWAY], HostRecap(ok=1, ignored=1, unreachable=1), [IGNORED, AWAY], id="once"
        ),
    ],
)
def test_what_the_play_put_up_with(
    seen: list[TaskStatus], recap: HostRecap, settled: list[TaskStatus]
) -> None:
    results = [TaskResult("web1", "", "Do it", "command", status) for status in seen]
    assert [result.status for result in rescue(results, {"web1": recap})] == settled


def test_without_statistics_nothing_is_taken_for_repaired() -> None:
    results = [TaskResult("web1", "", "Do it", "command", status) for status in (FAILED, AWAY)]
    assert rescue(results, {}) == results
