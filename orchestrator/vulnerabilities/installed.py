"""The source packages that live hosts have installed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.engine import Connection, Question, ask
from orchestrator.vulnerabilities.tracker import RELEASE

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
    return ask(connections, Question("its packages", _QUESTION, sources_in))


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
