"""Talking to a running QEMU over its monitor (QMP, one JSON object a line)."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from orchestrator.errors import PasInfraError
from orchestrator.lab.commands import privilege_prefix


class Ask(Protocol):
    """Give QEMU a command and wait for its answer; raises PasInfraError when it refuses."""

    def __call__(self, command: str, **arguments: object) -> dict[str, object]: ...  # noqa: D102


@contextmanager
def monitor(directory: Path) -> Iterator[Ask]:
    """The monitor of the machine in `directory`, for as long as the block lasts."""
    connect = ["env", f"--chdir={directory}", "socat", "-", "UNIX-CONNECT:qmp"]
    with subprocess.Popen(
        [*privilege_prefix(), *connect],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as socat:
        assert socat.stdin is not None and socat.stdout is not None  # noqa: PT018, S101
        to_qemu, from_qemu = socat.stdin, socat.stdout

        def ask(command: str, **arguments: object) -> dict[str, object]:
            try:
                to_qemu.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
                to_qemu.flush()
            except BrokenPipeError:
                pass  # the loop below finds nothing to read
            for line in from_qemu:
                answer = json.loads(line)
                if "return" in answer:
                    return dict(answer["return"])
                if "error" in answer:
                    raise PasInfraError(
                        f"QEMU refuses {command}: {answer['error']['desc']}",
                        where=directory / "qmp",
                    )
            raise PasInfraError(f"QEMU ended before it answered {command}", where=directory / "qmp")

        try:
            ask("qmp_capabilities")
            yield ask
        finally:
            to_qemu.close()
