"""The source packages that live hosts have installed."""

import re
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.engine import Connection
from orchestrator.vulnerabilities.tracker import RELEASE

_PATIENCE = 60.0  # seconds
_FIELDS = "${db:Status-Status}\\t${source:Package}\\t${source:Version}\\t${Version}\\n"
_QUESTION = f". /etc/os-release; echo \"$ID $VERSION_CODENAME\"; dpkg-query -W -f='{_FIELDS}'"
# Configuration files alone run nothing.
_ABSENT = ("not-installed", "config-files")
# Signed kernels are built from the source `linux`, the only one that the tracker knows.
_SIGNED_KERNEL = re.compile(r"linux-signed-\w+")


@dataclass(frozen=True, order=True)
class Source:
    """A source package of which something is installed, in this version."""

    package: str
    version: str


def installed_on(
    connections: Iterable[Connection],
) -> tuple[dict[str, frozenset[Source]], dict[str, str]]:
    """What each host has installed; and of the hosts that cannot say so, why."""
    asked = list(connections)
    with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as pool:
        answers = dict(zip((c.host for c in asked), pool.map(_ask, asked), strict=True))
    found = {host: said for host, said in answers.items() if not isinstance(said, str)}
    return found, {host: said for host, said in answers.items() if isinstance(said, str)}


def sources_in(text: str) -> frozenset[Source]:
    """The source packages in the answer of a host, which begins with its release.

    Raises ValueError when it is another release, or names no package.
    """
    release, *lines = text.splitlines() or [""]
    if release != f"debian {RELEASE}":
        raise ValueError(f"it runs {release or 'an unknown system'}, not Debian {RELEASE}")
    found = set()
    for line in lines:
        status, package, version, binary_version = line.split("\t")
        if status in _ABSENT:
            continue
        if _SIGNED_KERNEL.fullmatch(package):
            package, version = "linux", binary_version
        found.add(Source(package, version))
    if not found:
        raise ValueError("dpkg names no package")
    return frozenset(found)


def _ask(connection: Connection) -> frozenset[Source] | str:
    try:
        done = subprocess.run(
            [*connection.ssh_batch, _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode == 255:
            return f"no answer over SSH: {done.stderr.strip()[-200:]}"
        if done.returncode:
            return f"dpkg-query failed: {done.stderr.strip()[-200:]}"
        return sources_in(done.stdout)
    except subprocess.TimeoutExpired:
        return f"no answer within {_PATIENCE:.0f} s"
    except ValueError as error:
        return str(error)
