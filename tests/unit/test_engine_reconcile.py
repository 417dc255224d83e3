"""Results that do not add up to Ansible's own statistics are named, one sentence each."""

from dataclasses import replace

import pytest

from orchestrator.engine.reconcile import find_gaps
from orchestrator.records import HostRecap, TaskResult, TaskStatus

ONE_EACH = [TaskResult("web1", "", f"{status}", "command", status) for status in TaskStatus]
# A change is also ok, and so is a failure that is ignored; what check mode is blind to is skipped.
RECAP = HostRecap(
    ok=3, changed=1, skipped=2, failed=1, unreachable=1, ignored=1, rescued=1
)  # fmt: skip


def test_nothing_is_missing() -> None:
    assert find_gaps(ONE_EACH, {"web1": RECAP}, ["web1"]) == []


def test_without_statistics_nothing_can_be_said() -> None:
    assert find_gaps(ONE_EACH, None, ["web1"]) == ["Ansible ended without its final statistics"]


def test_a_host_where_nothing_ran() -> None:
    gaps = find_gaps(ONE_EACH, {"web1": RECAP}, ["web1", "web2"])
    assert gaps == ["web2: no task ran there"]


def test_results_of_a_host_that_the_statistics_do_not_know() -> None:
    results = [TaskResult("web2", "", "Do it", "command", TaskStatus.OK)]
    assert find_gaps(results, {}, []) == ["web2: Ansible counts 0 ok, its events show 1"]


@pytest.mark.parametrize("name", ["ok", "changed", "skipped", "failed", "unreachable", "rescued"])
@pytest.mark.parametrize("difference", [-1, 2])
def test_each_count_is_compared(name: str, difference: int) -> None:
    said = getattr(RECAP, name) + difference
    recap = replace(RECAP, **{name: said})
    assert find_gaps(ONE_EACH, {"web1": recap}, ["web1"]) == [
        f"web1: Ansible counts {said} {name}, its events show {said - difference}"
    ]


def test_ignored_failures_are_compared_too() -> None:
    gaps = find_gaps(ONE_EACH, {"web1": replace(RECAP, ignored=2)}, ["web1"])
    assert gaps == ["web1: Ansible counts 2 ignored, its events show 1"]


def test_an_ignored_failure_may_have_changed_something() -> None:
    assert find_gaps(ONE_EACH, {"web1": replace(RECAP, changed=2)}, ["web1"]) == []


@pytest.mark.parametrize("status", TaskStatus)
def test_a_lost_result_of_any_kind_leaves_a_gap(status: TaskStatus) -> None:
    rest = [result for result in ONE_EACH if result.status is not status]
    assert find_gaps(rest, {"web1": RECAP}, ["web1"])


def test_an_include_in_a_loop_counts_once_for_each_item() -> None:
    assert find_gaps(ONE_EACH, {"web1": replace(RECAP, ok=5)}, ["web1"], {"web1": 2}) == []
    assert find_gaps(ONE_EACH, {"web1": RECAP}, ["web1"], {"web1": 2}) == [
        "web1: Ansible counts 3 ok, its events show 5"
    ]
