"""Who runs this, where, and from which commit: what a run records about its origin."""

import os
import pwd
import socket
import subprocess
from pathlib import Path

_PATIENCE_SECONDS = 20
_LOGIN_UID = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1  # what stands there before anybody has logged in
# Set inside a git hook, they would make git answer for another repository.
_GIT_OVERRIDES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def current_operator() -> str:
    """Name the account that the person has logged in by, whoever they act as; never fails.

    The kernel keeps it through sudo and su, and lets nobody but root change it. Where it knows of
    nobody (a timer, a container), it is who called sudo to be root, or the process's own account.
    """
    logged_in = _logged_in()
    if logged_in is not None:
        return _name(logged_in)
    behind_sudo = os.environ.get("SUDO_USER")
    if behind_sudo and os.geteuid() == 0:
        return behind_sudo
    return _name(os.getuid())


def _logged_in() -> int | None:
    try:
        uid = int(_LOGIN_UID.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return uid if uid != _NOBODY else None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def control_node_name() -> str:
    """Name this machine."""
    return socket.gethostname()


def commit_of(directory: Path) -> str:
    """Name the commit checked out in `directory`, with "+dirty" when the tree has changes.

    "" outside git, without git, before the first commit, and for a directory that the surrounding
    repository ignores (an installed package: that repository's commit says nothing about it).
    """
    try:
        commit = _git(directory, "rev-parse", "--verify", "HEAD")
        if commit.returncode != 0:
            return ""
        if _git(directory, "check-ignore", "--quiet", ".").returncode == 0:
            return ""
        status = _git(directory, "--no-optional-locks", "status", "--porcelain")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    clean = status.returncode == 0 and not status.stdout
    return commit.stdout.strip() + ("" if clean else "+dirty")


def _git(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # An installation of root's is nobody's trap, though git refuses what is another account's.
    trusted = ("-c", "safe.directory=*") if directory.stat().st_uid == 0 else ()
    environment = {k: v for k, v in os.environ.items() if k not in _GIT_OVERRIDES}
    return subprocess.run(
        ["git", *trusted, "-C", str(directory), *arguments],
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=_PATIENCE_SECONDS,
    )
