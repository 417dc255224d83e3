"""What is left of an apply that is killed, stopped or called twice."""

import os
import re
import signal
import time
from collections.abc import Callable

import pytest

from e2e.bench import Bench, Started, private_directories, processes, until
from orchestrator.records import TaskStatus

TIME = ("--role", "time", "--limit", "bastion")
DPKG_AT_WORK = re.compile(r"dpkg .*--unpack.*chrony|chrony\.postinst")


def start_and_wait(bench: Bench, *narrow: str, task: str | None = None) -> tuple[Started, int]:
    """An apply in which the first task (or the one of that name) has just changed a host."""
    bench.hosts = None
    run_id = bench.next_run()
    started = bench.start("apply", "--yes", *narrow)
    until(
        lambda: any(
            result.status is TaskStatus.CHANGED and task in (None, result.task)
            for result in bench.results(run_id)
        ),
        120,
        "a task changed a host",
        running=started,
    )
    return started, run_id


def kill_and_repair(bench: Bench, started: Started, run_id: int, *narrow: str) -> None:
    """Kill the apply, and see the next one go through and the history know."""
    assert private_directories(started.process.pid)
    started.process.kill()
    until(lambda: not started.descendants(), 3, "nothing of the killed apply is left")
    started.wait()
    again = bench.pas_infra("apply", "--yes", *narrow, code=0)
    assert f"recorded as run {run_id + 1}" in again.stderr
    assert bench.run_of(run_id)["status"] == "broken"
    assert bench.run_of(run_id + 1)["status"] == "ok"
    assert not private_directories(started.process.pid)
    bench.hosts = "hardened"


def test_after_a_kill_while_dpkg_works_the_next_apply_converges(hardened: Bench) -> None:
    hardened.on("bastion", "apt-get -qq --yes purge chrony > /dev/null")
    hardened.hosts = None
    run_id = hardened.next_run()
    started = hardened.start("apply", "--yes", *TIME)
    # The lab's hosts are containers: what runs on them is seen from here.
    until(
        lambda: any(DPKG_AT_WORK.search(command) for _, command in processes()),
        120,
        "dpkg works on chrony",
        running=started,
    )
    kill_and_repair(hardened, started, run_id, *TIME)
    hardened.pas_infra("plan", *TIME, code=0)


@pytest.mark.full
def test_after_a_kill_before_the_confirmation_the_next_apply_converges(hardened: Bench) -> None:
    narrow = ("--role", "ssh", "--limit", "bastion")
    hardened.on("bastion", "rm /etc/ssh/sshd_config.d/00-pas-infra.conf")
    started, run_id = start_and_wait(hardened, *narrow, task="Write the server's drop-in")
    kill_and_repair(hardened, started, run_id, *narrow)
    hardened.pas_infra("plan", *narrow, code=0)


def by_the_terminal(started: Started) -> None:
    os.killpg(started.process.pid, signal.SIGINT)


def by_kill_term(started: Started) -> None:
    os.kill(started.process.pid, signal.SIGTERM)


def by_hanging_up(started: Started) -> None:
    os.kill(started.process.pid, signal.SIGHUP)


@pytest.mark.parametrize(
    "stop",
    [
        by_the_terminal,
        pytest.param(by_kill_term, marks=pytest.mark.full),
        pytest.param(by_hanging_up, marks=pytest.mark.full),
    ],
)
def test_an_apply_that_is_stopped_ends_in_order(
    hardened: Bench, stop: Callable[[Started], None]
) -> None:
    hardened.on("bastion", "rm /etc/chrony/pas-infra.conf")
    started, run_id = start_and_wait(hardened, *TIME)
    stop(started)
    done = started.wait(40).expect(130)
    assert not started.descendants()
    assert not private_directories(started.process.pid)
    run = hardened.run_of(run_id)
    assert (run["status"], run["ended"] is None) == ("interrupted", False)
    assert "Traceback" not in done.stderr
    assert "Verify:" not in done.stdout
    hardened.pas_infra("apply", "--yes", *TIME, code=0)
    hardened.hosts = "hardened"


def test_a_second_apply_is_refused_at_once(hardened: Bench) -> None:
    first = hardened.start("apply", "--yes", *TIME)
    lock = hardened.store_directory / "lock"
    until(lambda: str(first.process.pid) in lock.read_text(), 30, "the lock is held", first)

    asked = time.monotonic()
    second = hardened.pas_infra("apply", "--yes", *TIME, code=3)
    assert time.monotonic() - asked < 3
    holder = hardened.run_of(hardened.next_run() - 1)
    assert f"{holder['who']} holds this environment since 20" in second.stderr
    assert f"(pid {first.process.pid} on " in second.stderr

    # To look at the hosts is always possible.
    hardened.pas_infra("history", code=0)
    first.wait().expect(0)
