"""Run a playbook: the only module that knows ansible-runner."""

import json
import os
import queue
import shlex
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.engine.events import EventReader, Ledger, rescue
from orchestrator.engine.handover import secrets_at_hand
from orchestrator.engine.private import private_directory
from orchestrator.engine.reconcile import find_gaps
from orchestrator.engine.redaction import redactor
from orchestrator.engine.request import (
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    TaskStarted,
)
from orchestrator.engine.strategies import strategy_variables
from orchestrator.environment import Vault, clear_secrets
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root
from orchestrator.records import TaskResult, TaskStatus

OnProgress = Callable[[TaskStarted | TaskResult], None]

_PATIENCE = 15.0  # seconds that an interrupted Ansible gets to end by itself
_LEDGER_PAUSE = 0.01  # seconds until the next look, when the ledger had nothing new


def play(request: PlayRequest, on_progress: OnProgress) -> PlayOutcome:
    """Run the playbook and return everything it did; `on_progress` is called as it goes.

    An interrupt (Ctrl-C) stops Ansible in order and gives an outcome of status interrupted.
    Raises PasInfraError when the request cannot be run at all.
    """
    if not request.hosts:
        raise PasInfraError(
            "no host is left to run on", next_step="widen --limit (see `pas-infra env show`)"
        )
    started = time.monotonic()
    with private_directory() as private, secrets_at_hand(request.environment, private) as at_hand:
        run = _Run(request, private, at_hand)
        interrupted = run.follow(on_progress)
        reader = run.reader
    results = rescue(reader.results, reader.recap or {})
    gaps = find_gaps(results, reader.recap, request.hosts, reader.more_ok)
    if reader.lost:
        gaps.append(f"{reader.lost} of Ansible's events were lost on their way")
    if reader.no_hosts_matched:
        gaps.append("a play of the playbook matched no host")
    status = status_of_play(interrupted=interrupted, gaps=gaps, results=results)
    return PlayOutcome(
        status=status,
        results=tuple(results),
        recap=reader.recap or {},
        gaps=tuple(gaps),
        duration=time.monotonic() - started,
        # What an interrupted Ansible says is where it happened to be.
        message="\n".join(reader.talk) if reader.recap is None and not interrupted else "",
    )


def status_of_play(*, interrupted: bool, gaps: list[str], results: list[TaskResult]) -> PlayStatus:
    """How a play ended, the strongest statement first: a failure outweighs what is missing."""
    found = {result.status for result in results}
    if interrupted:
        return PlayStatus.INTERRUPTED
    if TaskStatus.FAILED in found:
        return PlayStatus.FAILED
    if gaps or TaskStatus.UNREACHABLE in found:
        return PlayStatus.INCOMPLETE
    return PlayStatus.OK


@dataclass
class _Killer:
    """How ansible-runner is told to kill what did not end in order."""

    now: bool = False

    def __call__(self) -> bool:
        return self.now


class _Run:
    """One ansible-playbook under ansible-runner, in a thread of its own."""

    def __init__(self, request: PlayRequest, private: Path, at_hand: Mapping[str, str]) -> None:
        self._request = request
        self._private = private
        self._at_hand = at_hand
        self._queue: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._ledger = Ledger()
        self._ledger_path = private / "ledger"
        self._ledger_path.touch(0o600)
        # The only place where ansible-runner heeds this: it overwrites the argument of that name.
        settings = private / "env/settings"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"suppress_output_file": True}))
        self._ledger_offset = 0
        self._killer = _Killer()
        self._error: BaseException | None = None
        self._redact = redactor(clear_secrets(request.environment))
        self.reader = EventReader(self._ledger, refresh=self._read_ledger, redact=self._redact)

    def follow(self, on_progress: OnProgress) -> bool:
        """Start, pass everything on, wait for the end; returns whether it was interrupted."""
        runner = threading.Thread(target=self._runner, name="ansible-runner", daemon=True)
        runner.start()
        interrupted = False
        fault: Exception | None = None
        pid = 0
        while True:
            try:
                event = self._queue.get()
                if event is None:
                    break
                pid = event.get("pid") or pid
                if fault is None:
                    self._pass_on(event, on_progress)
            except KeyboardInterrupt:
                # A second Ctrl-C does not wait for Ansible any longer.
                self._stop(pid, at_once=interrupted)
                interrupted = True
            except Exception as error:  # noqa: BLE001 - raised below, once Ansible has ended
                # A full disk, say: Ansible must not go on changing hosts behind a dead record.
                fault = error
                self._stop(pid, at_once=False)
        runner.join()
        if fault is not None:
            raise fault
        if self._error is not None and not interrupted:
            raise self._error
        return interrupted

    def _pass_on(self, event: Mapping[str, Any], on_progress: OnProgress) -> None:
        result = self.reader.read(event)
        if result is not None:
            on_progress(result)
        elif event.get("event") in ("playbook_on_task_start", "playbook_on_handler_task_start"):
            data = event["event_data"]
            task = self._redact(data.get("task", ""))
            on_progress(TaskStarted(role=data.get("role", ""), task=task))

    def _stop(self, pid: int, *, at_once: bool) -> None:
        """Ask Ansible to end, and kill it when it does not, or when nobody wants to wait."""
        if at_once or not pid:
            self._killer.now = True
            return
        os.killpg(pid, signal.SIGINT)

        def kill_later() -> None:
            self._killer.now = True

        timer = threading.Timer(_PATIENCE, kill_later)
        timer.daemon = True
        timer.start()

    def _read_ledger(self) -> None:
        with self._ledger_path.open(encoding="utf-8") as ledger:
            ledger.seek(self._ledger_offset)
            text = ledger.read()
        complete = text.rpartition("\n")[0]
        if complete:
            self._ledger.read(complete.splitlines())
            self._ledger_offset += len(complete.encode()) + 1
        else:
            time.sleep(_LEDGER_PAUSE)

    def _runner(self) -> None:
        import ansible_runner

        def keep(event: Mapping[str, Any]) -> bool:
            self._queue.put(event)
            return False  # nothing of it is written to the artifacts

        try:
            ansible_runner.run(
                private_data_dir=str(self._private),
                ident="run",
                playbook=str(self._request.playbook),
                cmdline=shlex.join(command_line(self._request, self._vault_arguments())),
                envvars=self._environment_variables(),
                quiet=True,
                suppress_env_files=True,
                event_handler=keep,
                cancel_callback=self._killer,
            )
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that asked
            self._error = error
        finally:
            self._queue.put(None)

    def _vault_arguments(self) -> list[str]:
        vault = self._request.environment.vault
        directory = self._request.environment.directory
        return [] if vault is None else vault_arguments(vault, directory, self._private)

    def _environment_variables(self) -> dict[str, str]:
        root = project_root()
        scripts = Path(sys.executable).parent
        variables = {
            "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PAS_INFRA_LEDGER": str(self._ledger_path),
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(root / "roles"),
            "ANSIBLE_LOCAL_TEMP": str(self._private / "tmp"),
            # A control socket of an earlier run would hide what a change does to new connections.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._private / "cp"),
            "ANSIBLE_DEPRECATION_WARNINGS": "False",  # core's word on strategy plugins, each run
            # Modules would log their arguments on the host, secrets included; the store has them.
            "ANSIBLE_NO_TARGET_SYSLOG": "True",
            "ANSIBLE_NOCOLOR": "1",
        }
        variables |= {**strategy_variables(self._request.strategy), **self._at_hand}
        variables["ANSIBLE_CALLBACKS_ENABLED"] += ",pas_infra_ledger"
        return variables


def command_line(request: PlayRequest, vault: list[str]) -> list[str]:
    """The arguments of ansible-playbook, before the playbook itself."""
    arguments = ["-i", str(request.environment.directory), "--diff", *vault]
    if request.check:
        arguments.append("--check")
    arguments += ["--limit", ",".join(request.hosts)]
    if request.tags:
        arguments += ["--tags", ",".join(request.tags)]
    if request.skip_tags:
        arguments += ["--skip-tags", ",".join(request.skip_tags)]
    if request.extra_variables:
        arguments += ["--extra-vars", json.dumps(dict(request.extra_variables))]
    return arguments


def vault_arguments(vault: Vault, directory: Path, private: Path) -> list[str]:
    """How Ansible gets the vault password: from its file, or by running the command itself."""
    if vault.password_file is not None:
        return ["--vault-password-file", str(vault.password_file)]
    # Ansible takes an executable without arguments; this one holds the command, not the secret.
    script = private / "vault-password"
    command = shlex.join(vault.password_command or ())
    script.write_text(f"#!/bin/sh\ncd {shlex.quote(str(directory))} && exec {command}\n")
    script.chmod(stat.S_IRWXU)
    return ["--vault-password-file", str(script)]
