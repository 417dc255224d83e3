"""What the engine asks of Ansible, and how it sums a play up; no playbook runs here."""

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.engine import (
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    default_strategy,
    mitogen_plugins,
    play,
)
from orchestrator.engine.private import private_directory
from orchestrator.engine.run import command_line, status_of_play, vault_arguments
from orchestrator.environment import ControlNode, Environment, Place, Vault
from orchestrator.errors import PasInfraError
from orchestrator.records import TaskResult, TaskStatus


def environment(directory: Path) -> Environment:
    return Environment(
        name="small", kind="lab", directory=directory, description="",
        control_node=ControlNode(Place("Lille", "FR"), None), store_directory=directory,
        pas_document=None, vault=None, hosts=(), lab=None, people=None, waivers=(), files=(),
    )  # fmt: skip


def request(directory: Path, **more: object) -> PlayRequest:
    plain: dict[str, object] = {"check": False, "strategy": Strategy.LINEAR, "hosts": ("a", "b")}
    return PlayRequest(
        environment=environment(directory),
        playbook=Path("site.yml"),
        **{**plain, **more},  # type: ignore[arg-type]
    )


def result(status: TaskStatus, *, handler: bool = False) -> TaskResult:
    return TaskResult("web1", "", "Do it", "command", status, handler=handler)


@pytest.mark.parametrize(
    ("interrupted", "gaps", "seen", "status"),
    [
        (False, [], ["ok", "changed", "skipped"], PlayStatus.OK),
        (False, [], [], PlayStatus.OK),
        (False, [], ["ignored", "rescued"], PlayStatus.OK),
        (False, [], ["ok", "failed"], PlayStatus.FAILED),
        (False, [], ["ok", "unreachable"], PlayStatus.INCOMPLETE),
        (False, ["something is missing"], ["ok"], PlayStatus.INCOMPLETE),
        (False, ["something is missing"], ["failed"], PlayStatus.FAILED),
        (False, [], ["failed", "unreachable"], PlayStatus.FAILED),
        (True, [], ["ok"], PlayStatus.INTERRUPTED),
        (True, ["something is missing"], ["failed", "unreachable"], PlayStatus.INTERRUPTED),
    ],
)
def test_status(*, interrupted: bool, gaps: list[str], seen: list[str], status: PlayStatus) -> None:
    results = [result(TaskStatus(name)) for name in seen]
    assert status_of_play(interrupted=interrupted, gaps=gaps, results=results) is status


def test_an_outcome_tells_changes_from_what_follows_them_and_failures_from_what_was_ignored() -> (
    None
):
    every = [result(status) for status in TaskStatus]
    handler = result(TaskStatus.CHANGED, handler=True)
    outcome = PlayOutcome(PlayStatus.FAILED, (*every, handler), {}, (), 1.0)
    assert [r.status for r in outcome.changed] == [TaskStatus.CHANGED]
    assert not any(r.handler for r in outcome.changed)
    assert {r.status for r in outcome.failed} == {TaskStatus.FAILED, TaskStatus.UNREACHABLE}


def test_without_a_host_nothing_is_run(tmp_path: Path) -> None:
    with pytest.raises(PasInfraError, match="no host is left") as caught:
        play(request(tmp_path, hosts=()), on_progress=lambda _: None)
    assert "--limit" in str(caught.value.next_step)


def test_the_plain_command_line_names_its_hosts_and_asks_for_diffs(tmp_path: Path) -> None:
    line = command_line(request(tmp_path), [])
    assert line == ["-i", str(tmp_path), "--diff", "--limit", "a,b"]


def test_the_full_command_line(tmp_path: Path) -> None:
    asked = request(
        tmp_path, check=True, tags=("pas_6_2_1", "x"), skip_tags=("time",),
        extra_variables={"confirmed_commit_timeout": 90},
    )  # fmt: skip
    assert command_line(asked, ["--vault-password-file", "/p"])[3:] == [
        "--vault-password-file", "/p", "--check", "--limit", "a,b", "--tags", "pas_6_2_1,x",
        "--skip-tags", "time", "--extra-vars", '{"confirmed_commit_timeout": 90}',
    ]  # fmt: skip


def test_a_password_file_is_named(tmp_path: Path) -> None:
    vault = Vault(password_file=tmp_path / "password", password_command=None)
    arguments = vault_arguments(vault, tmp_path, tmp_path)
    assert arguments == ["--vault-password-file", str(tmp_path / "password")]


def test_a_password_command_runs_in_the_environments_directory(tmp_path: Path) -> None:
    home = tmp_path / "an environment's"
    home.mkdir()
    (home / "password").write_text("it's a $secret\n")
    vault = Vault(password_file=None, password_command=("cat", "./password"))
    _, script = vault_arguments(vault, home, tmp_path)
    assert Path(script).stat().st_mode & 0o777 == 0o700
    assert "secret" not in Path(script).read_text()
    said = subprocess.run([script], capture_output=True, check=True, text=True).stdout
    assert said == "it's a $secret\n"


def test_mitogen_where_it_is_installed() -> None:
    plugins = mitogen_plugins()
    assert default_strategy() is (Strategy.MITOGEN if plugins else Strategy.LINEAR)
    assert plugins is None or (plugins / "mitogen_linear.py").is_file()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_runs_directory_is_private_and_goes_with_the_run(runtime: Path) -> None:
    with private_directory() as first, private_directory() as second:
        assert first != second
        assert first.parent == second.parent == runtime
        assert first.stat().st_mode & 0o777 == 0o700
        (first / "secret").write_text("x")
    assert list(runtime.iterdir()) == []


def test_it_goes_too_when_the_run_breaks_down(runtime: Path) -> None:
    with pytest.raises(ZeroDivisionError), private_directory():
        1 / 0  # noqa: B018
    assert list(runtime.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_uses_is_not(runtime: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = runtime / f"pas-infra-run-{gone.pid}-x"
    living = runtime / f"pas-infra-run-{os.getppid()}-x"
    other = runtime / "something-else"
    for path in (left, living, other):
        path.mkdir()
    with private_directory():
        assert (left.exists(), living.exists(), other.exists()) == (False, True, True)


def test_without_a_runtime_directory_there_is_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "absent"))
    with private_directory() as path:
        assert not path.is_relative_to(tmp_path)
        assert not os.statvfs(path).f_flag & os.ST_NOEXEC
