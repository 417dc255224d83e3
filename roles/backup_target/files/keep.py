#!/usr/bin/python3 -I
"""Root's own copies of a source's repositories, out of reach of whoever serves them.

`backup-keep SOURCE` makes one after a backup; `backup-keep SOURCE recall COPY` and
`backup-keep SOURCE dismiss` put one beside the repositories for a restore, and take it away again.
What a copy shares with the one before it is hard-linked, among root's copies alone. Where the file
system can (XFS, btrfs), new parts take no room either: `cp --reflink=auto`.
"""

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

DECLARED = Path("/etc/pas-infra/backup-target")
UNFINISHED = ".unfinished"
_MOMENT = "%Y-%m-%dT%H%M%SZ"
_TOGETHER = 500  # files that one cp is given


def main() -> int:
    """Do it alone: no session is under way meanwhile."""
    source, *what = sys.argv[1:]
    asked = json.loads((DECLARED / f"{source}.json").read_text("utf-8"))
    place, kept = Path(asked["place"]), Path(asked["kept"])
    with (place / ".lock").open() as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if what[:1] == ["recall"]:
            recall(place, kept / what[1], asked)
        elif what == ["dismiss"]:
            dismiss(place)
        else:
            # Before it: where the disk is full, there is room again.
            forget(kept, int(asked["days"]), datetime.now(UTC).strftime(_MOMENT))
            keep(place, kept, asked["repositories"])
    return 0


def keep(place: Path, kept: Path, repositories: list[str]) -> Path:
    """A copy of the repositories as they are now; one that was cut short never counts."""
    shutil.rmtree(kept / UNFINISHED, ignore_errors=True)
    before = max((one for one in kept.iterdir() if one.name != UNFINISHED), default=None)
    for name in repositories:
        copy(place / name, kept / UNFINISHED / name, before / name if before else None)
    os.sync()
    # Two within a second would bear one name.
    while (made := kept / datetime.now(UTC).strftime(_MOMENT)).exists():
        time.sleep(0.2)
    (kept / UNFINISHED).rename(made)
    return made


def copy(repository: Path, into: Path, before: Path | None) -> None:
    """One repository: regular files in directories, and nothing else, for root alone."""
    into.mkdir(mode=0o700, parents=True)
    for directory, names, files in os.walk(repository):
        there = Path(directory)
        here = into / there.relative_to(repository)
        for name in names:
            if not (there / name).is_symlink():
                (here / name).mkdir(mode=0o700)
        new = []
        for name in files:
            found = (there / name).lstat()
            former = before / here.relative_to(into) / name if before else None
            # A lock is of somebody who has gone.
            if not stat.S_ISREG(found.st_mode) or name.startswith("lock."):
                continue
            if former and same(former, found):
                os.link(former, here / name)
            else:
                new.append(there / name)
        for first in range(0, len(new), _TOGETHER):
            subprocess.run(
                ["cp", "--reflink=auto", "--no-dereference", "--preserve=timestamps",
                 "--target-directory", str(here), "--", *map(str, new[first : first + _TOGETHER])],
                check=True,
            )  # fmt: skip


def same(former: Path, found: os.stat_result) -> bool:
    """Whether a file was copied before; borg never changes a part of a repository."""
    try:
        there = former.lstat()
    except FileNotFoundError:
        return False
    return (there.st_size, there.st_mtime_ns) == (found.st_size, found.st_mtime_ns)


def forget(kept: Path, days: int, coming: str) -> None:
    """Remove copies beyond the last so many days that have one, with the one that is to be made.

    Only days with a copy count: a clock that jumps removes none.
    """
    copies = sorted(one for one in kept.iterdir() if one.name != UNFINISHED)
    last = sorted({one.name[:10] for one in copies} | {coming[:10]})[-days:]
    # Until the next one is whole, the newest is all that there is.
    last += [one.name[:10] for one in copies[-1:]]
    for one in copies:
        if one.name[:10] not in last:
            shutil.rmtree(one)


def recall(place: Path, chosen: Path, asked: dict[str, object]) -> None:
    """Put a copy of a copy where the source reaches it: what it does there is to that alone."""
    dismiss(place)
    account = str(asked["serving"])
    recalled = place / ".recalled"
    recalled.mkdir(mode=0o700)
    subprocess.run(["cp", "--archive", "--reflink=auto", f"{chosen}/.", str(recalled)], check=True)
    subprocess.run(["chown", "--recursive", f"{account}:{account}", str(recalled)], check=True)


def dismiss(place: Path) -> None:
    """Take it away again."""
    shutil.rmtree(place / ".recalled", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
