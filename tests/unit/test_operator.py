import os
import pwd
import subprocess
from pathlib import Path

import pytest

from orchestrator import operator
from orchestrator.operator import commit_of, control_node_name, current_operator

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def login_uid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the kernel says who has logged in: nobody."""
    file = tmp_path / "loginuid"
    file.write_text("4294967295")
    monkeypatch.setattr(operator, "_LOGIN_UID", file)
    return file


@pytest.mark.parametrize("effective_uid", [0, 998])
def test_the_operator_is_who_has_logged_in_whoever_they_act_as(
    monkeypatch: pytest.MonkeyPatch, login_uid: Path, effective_uid: int
) -> None:
    login_uid.write_text(str(os.getuid()))
    monkeypatch.setattr(os, "geteuid", lambda: effective_uid)
    monkeypatch.setattr(os, "getuid", lambda: effective_uid)
    monkeypatch.setenv("SUDO_USER", "mallory")
    assert current_operator() == ACCOUNT


def test_without_an_answer_of_the_kernel_it_is_the_own_account(login_uid: Path) -> None:
    login_uid.unlink()
    assert current_operator() == ACCOUNT


@pytest.mark.parametrize(
    ("effective_uid", "sudo_user", "operator"),
    [
        (0, "alice", "alice"),
        (0, None, ACCOUNT),
        (0, "", ACCOUNT),
        (1000, "mallory", ACCOUNT),  # anybody can set the variable, only root got it from sudo
    ],
)
def test_the_operator_is_who_called_sudo(
    monkeypatch: pytest.MonkeyPatch, effective_uid: int, sudo_user: str | None, operator: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: effective_uid)
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudo_user is not None:
        monkeypatch.setenv("SUDO_USER", sudo_user)
    assert current_operator() == operator


def test_an_account_without_a_name_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999)
    assert current_operator() == "uid 3999999"


def test_the_control_node_has_a_name() -> None:
    assert control_node_name() == os.uname().nodename


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(directory), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "roles").mkdir(parents=True)
    (root / "roles" / "main.yml").write_text("a: 1\n")
    (root / ".gitignore").write_text("/installed/\n")
    (root / "installed").mkdir()
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    return root


def test_the_commit_of_a_clean_tree(checkout: Path) -> None:
    assert (
        commit_of(checkout) == commit_of(checkout / "roles") == git(checkout, "rev-parse", "HEAD")
    )
    (checkout / "installed" / "ignored").touch()
    assert "+dirty" not in commit_of(checkout)


@pytest.mark.parametrize("changed", ["roles/main.yml", "new.yml"])
def test_a_tree_with_changes_is_dirty(checkout: Path, changed: str) -> None:
    (checkout / changed).write_text("a: 2\n")
    dirty = git(checkout, "rev-parse", "HEAD") + "+dirty"
    assert commit_of(checkout) == commit_of(checkout / "roles") == dirty


def test_a_git_hook_does_not_make_it_speak_of_another_repository(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    found = commit_of(checkout)
    monkeypatch.undo()
    assert found == git(checkout, "rev-parse", "HEAD")


def test_no_commit_where_git_has_nothing_to_say(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit_of(checkout / "installed") == "", "ignored by the repository around it"
    assert commit_of(tmp_path) == "", "outside git"
    assert commit_of(tmp_path / "missing") == ""
    git(tmp_path, "init", "--quiet", "empty")
    assert commit_of(tmp_path / "empty") == "", "before the first commit"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(checkout) == "", "without git"
