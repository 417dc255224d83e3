"""What a lab leaves on this machine, looked for without the program's own help. Run as root.

Arguments: the name of the lab's namespace, its directory, and the namespaces that it had, as inode
numbers. Prints
one trace a line; nothing for a lab that is gone.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path


def traces(name: str, directory: str, namespaces: set[str]) -> Iterator[str]:
    """Processes, mounts in any mount namespace, network namespaces and control groups."""
    own = {str(os.getpid()), str(os.getppid())}
    seen: set[str] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name not in own:
            try:
                yield from _of_process(entry, name, directory, namespaces, seen)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it has ended meanwhile
    if Path(f"/run/netns/{name}").exists():
        yield f"network namespace {name}"
    for mount in Path("/proc/self/mounts").read_text().splitlines():
        place, kind = mount.split()[1:3]
        if kind == "cgroup2" and (Path(place) / f"{name}").exists():
            yield f"control group {place}/{name}"


def _of_process(
    entry: Path, name: str, directory: str, namespaces: set[str], seen: set[str]
) -> Iterator[str]:
    if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
        return
    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    belongs = (
        re.search(rf"/{name}([/@]|$)", (entry / "cgroup").read_text(), re.MULTILINE)
        or directory in command
        or re.search(rf"\b{name}( |$)", command)
        or _inode(entry / "ns/net") in namespaces
    )
    if belongs:
        yield f"process {entry.name}: {command}"
    mounts = _inode(entry / "ns/mnt")
    if mounts not in seen:
        seen.add(mounts)
        for line in (entry / "mountinfo").read_text().splitlines():
            if directory in line or any(f"net:[{inode}]" in line for inode in namespaces):
                yield f"mount seen by process {entry.name}: {line}"


def _inode(namespace: Path) -> str:
    return str(namespace.readlink()).partition("[")[2].rstrip("]")


if __name__ == "__main__":
    for trace in traces(sys.argv[1], sys.argv[2], set(sys.argv[3:])):
        print(trace)  # noqa: T201 - what it is for
