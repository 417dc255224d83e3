"""However a look ends, its canary is restored, and its record says how it ended."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
from small_environment import write_small

from orchestrator.drift import canary
from orchestrator.drift.look import Drift, look
from orchestrator.engine import Connection, PlayOutcome, PlayRequest, PlayStatus, Strategy
from orchestrator.environment import Environment, load_environment
from orchestrator.errors import Interrupted, PasInfraError
from orchestrator.records import RunStatus
from orchestrator.selection import Selection
from orchestrator.store import Store
from orchestrator.verify import Verification

OUTCOME = PlayOutcome(PlayStatus.OK, (), {}, (), 1.0)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """One whose hosts do not exist: what would be asked of them is told by each test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    directory = write_small(tmp_path / "small")
    monkeypatch.setattr("orchestrator.drift.look.connections", lambda *_: [])
    return load_environment(directory)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the canaries were told to say, in turn."""
    said: list[str] = []

    def write(
        connections: Iterable[Connection], script: str, content: str, token: str = ""
    ) -> dict[str, str]:
        said.append(content)
        return {}

    monkeypatch.setattr(canary, "_write", write)
    return said


def look_with(
    monkeypatch: pytest.MonkeyPatch,
    environment: Environment,
    *,
    play: PlayOutcome | BaseException = OUTCOME,
    verify: Verification | BaseException | None = None,
) -> Drift:
    def told(answer: object) -> object:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def played(request: PlayRequest, on_progress: object) -> object:
        assert request.check, "a look must never change a host"
        return told(play)

    checked = verify or Verification((), {}, strict=True)
    monkeypatch.setattr("orchestrator.drift.look.play", played)
    monkeypatch.setattr("orchestrator.drift.look.verify", lambda *_, **__: told(checked))
    hosts = Selection(("web1",))
    return look(environment, hosts, Strategy.LINEAR, on_progress=lambda _: None)


def last_run(environment: Environment) -> RunStatus:
    with Store.open(environment.store_directory, environment.name) as store:
        return store.runs(1)[0].status


@pytest.mark.parametrize(
    ("broken", "raised", "status"),
    [
        ({"play": PasInfraError("no room on the disk")}, PasInfraError, RunStatus.FAILED),
        ({"play": KeyboardInterrupt()}, KeyboardInterrupt, RunStatus.INTERRUPTED),
        (
            {"play": PlayOutcome(PlayStatus.INTERRUPTED, (), {}, (), 1.0)},
            Interrupted,
            RunStatus.INTERRUPTED,
        ),
        ({"verify": OSError(28, "No space left on device")}, OSError, RunStatus.FAILED),
        ({"verify": ValueError("garbage")}, ValueError, RunStatus.FAILED),
    ],
)
def test_the_canary_is_restored_whatever_happens(
    monkeypatch: pytest.MonkeyPatch,
    environment: Environment,
    written: list[str],
    broken: dict[str, BaseException],
    raised: type[BaseException],
    status: RunStatus,
) -> None:
    with pytest.raises(raised):
        look_with(monkeypatch, environment, **broken)
    assert len(written) == 2
    assert "tampered with" in written[0]
    assert written[1] == canary.DECLARED
    assert last_run(environment) is status


def test_a_look_of_which_nothing_came_is_incomplete(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, written: list[str]
) -> None:
    drift = look_with(monkeypatch, environment)
    assert drift.exit_code == 4
    told = "the canary was not seen by the roles and the checks and the collector"
    assert told in drift.hosts[0].why[0]
    assert last_run(environment) is RunStatus.INCOMPLETE


def test_no_two_looks_tamper_alike(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, written: list[str]
) -> None:
    for _ in range(2):
        look_with(monkeypatch, environment)
    assert written[0] != written[2]
    assert written[1] == written[3] == canary.DECLARED


def test_a_store_that_somebody_writes_to_is_no_green_look(
    monkeypatch: pytest.MonkeyPatch, environment: Environment, written: list[str]
) -> None:
    monkeypatch.setattr("orchestrator.store.database._PATIENCE_SECONDS", 0.1)
    Store.open(environment.store_directory, environment.name).close()
    path = next(environment.store_directory.glob("*.sqlite"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(PasInfraError, match="the store cannot be used: database is locked"):
        look_with(monkeypatch, environment)
    assert written == [], "nothing is done that could not be recorded"
    other.close()
