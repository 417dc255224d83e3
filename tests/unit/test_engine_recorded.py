"""What the engine makes of events that a real Ansible sent: each directory of events/ is a case."""

import json
from pathlib import Path

import pytest
from recorded_events import CANARY, CASES, events_of, replay, results_of, settled

from orchestrator.engine import PlayStatus
from orchestrator.engine.reconcile import find_gaps
from orchestrator.engine.run import status_of_play

RECORDED = sorted(path.parent for path in CASES.glob("*/playbook.yml"))
STATUS = {"failed": PlayStatus.FAILED, "unreachable": PlayStatus.INCOMPLETE}
MACHINE = ("/home/", "/root/", "/tmp/", "/dev/shm/", "/run/user/")  # noqa: S108

each_case = pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)


@each_case
def test_results(case: Path) -> None:
    assert results_of(case) == json.loads((case / "expected.json").read_text())


@each_case
def test_results_add_up_to_the_statistics(case: Path) -> None:
    assert results_of(case)["gaps"] == []


@each_case
def test_status(case: Path) -> None:
    status = status_of_play(interrupted=False, gaps=[], results=settled(replay(case)))
    assert status is STATUS.get(case.name, PlayStatus.OK)


@each_case
def test_a_recording_names_nothing_of_the_machine_that_made_it(case: Path) -> None:
    for file in case.glob("*.json*"):
        text = file.read_text().replace("PRIVATE/", "").replace("PROJECT/", "")
        assert [place for place in MACHINE if place in text] == []


def test_a_secret_is_nowhere_in_what_is_kept() -> None:
    case = CASES / "secrets"
    recorded = (case / "events.jsonl").read_text()
    assert json.dumps(CANARY)[1:-1] in recorded, "nothing was there to be hidden"
    for result in replay(case).results:
        kept = (result.task, result.diff, result.message, result.role, result.path)
        for text in kept:
            assert "canary" not in text


def test_a_censored_result_keeps_its_status_and_nothing_else() -> None:
    [change] = [r for r in settled(replay(CASES / "loops")) if r.censored]
    assert (change.status, change.diff, change.message) == ("changed", "", "")
    [failure] = [r for r in settled(replay(CASES / "failed")) if r.censored]
    assert (failure.status, failure.diff, failure.message) == ("failed", "", "")


def _results(case: Path) -> list[int]:
    """Where the events stand that complete a result."""
    reader = replay(case)
    kinds = {"runner_on_ok", "runner_on_failed", "runner_on_skipped", "runner_on_unreachable"}
    found = [index for index, event in enumerate(events_of(case)) if event["event"] in kinds]
    assert len(found) == len(reader.results)
    return found


@pytest.mark.parametrize(
    ("case", "position"),
    [
        pytest.param(case, position, id=f"{case.name}-{position}")
        for case in (CASES / "statuses", CASES / "loops", CASES / "checked")
        for position in _results(case)
    ],
)
def test_every_result_that_is_lost_leaves_a_gap(case: Path, position: int) -> None:
    reader = replay(case, without=position)
    results = settled(reader)
    assert find_gaps(results, reader.recap, [], reader.more_ok)
