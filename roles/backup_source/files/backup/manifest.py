"""What is to be in an archive: recorded before it is made, compared after a restore."""

import contextlib
import errno
import fnmatch
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# What a path answers that somebody else has removed, or put something else into the place of.
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EISDIR}
Entry = dict[str, Any]
Manifest = dict[str, Entry]

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFBLK: "block device",
    stat.S_IFCHR: "device",
}
# What is the same as long as these are, was read before.
_UNCHANGED = ("kind", "inode", "size", "mtime", "ctime")
# What a restore must bring back.
_RESTORED = ("kind", "mode", "uid", "gid", "size", "hash", "target", "mtime", "xattrs")


def walk(
    paths: Iterable[str], without: Iterable[str], too_long: list[str] | None = None
) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below the paths on their own file systems; `without` are patterns of whole paths.

    A directory that is left out is not entered. What vanishes meanwhile is left out too. What has a
    path that nothing can open is added to `too_long`: whoever has files here may make one.
    """
    patterns = tuple(without)
    for top in paths:
        # Not by recursion: whoever has files here may nest them as deep as they like.
        pending = _there([top], too_long)
        device = pending[0][1].st_dev if pending else 0
        while pending:
            path, found = pending.pop()
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
                continue
            if stat.S_IFMT(found.st_mode) in _KINDS:
                yield path, found
            if stat.S_ISDIR(found.st_mode) and found.st_dev == device:
                pending += reversed(_there(_inside(path), too_long))


def _inside(directory: str) -> list[str]:
    names: list[str] = []
    with _passing_over_what_went():
        names = sorted(os.listdir(directory))  # noqa: PTH208 - names in no encoding
    return [f"{directory}/{name}" for name in names]


def _there(
    paths: Iterable[str], too_long: list[str] | None = None
) -> list[tuple[str, os.stat_result]]:
    found = []
    for path in paths:
        try:
            with _passing_over_what_went():
                found.append((path, os.lstat(path)))
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG or too_long is None:
                raise
            too_long.append(path)
    return found


@contextlib.contextmanager
def _passing_over_what_went() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _GONE:
            raise


def record(found: Iterable[tuple[str, os.stat_result]], known: Mapping[str, Entry]) -> Manifest:
    """Every path with what a restore must bring back; `known` is the manifest before this one."""
    manifest: Manifest = {}
    first_of: dict[tuple[int, int], str] = {}
    for path, one in found:
        before = known.get(path, {})
        with _passing_over_what_went():
            entry = described(path, one)
            if entry["kind"] == "file":
                same = "hash" in before and all(before.get(key) == entry[key] for key in _UNCHANGED)
                entry["hash"] = before["hash"] if same else hash_of(path)
            if entry["kind"] == "file" and one.st_nlink > 1:
                first = first_of.setdefault((one.st_dev, one.st_ino), path)
                if first != path:
                    entry["same_as"] = first
            manifest[path] = entry
    return manifest


def described(path: str, one: os.stat_result) -> Entry:
    """A path as it lies there, but for its content; sizes in bytes, times in nanoseconds."""
    entry: Entry = {
        "kind": _KINDS[stat.S_IFMT(one.st_mode)],
        "mode": stat.S_IMODE(one.st_mode),
        "uid": one.st_uid,
        "gid": one.st_gid,
        "mtime": one.st_mtime_ns,
        "ctime": one.st_ctime_ns,
        "inode": one.st_ino,
        "size": one.st_size if stat.S_ISREG(one.st_mode) else 0,
    }
    if stat.S_ISLNK(one.st_mode):
        entry["target"] = _target_of(path)
    if attributes := _attributes(path):
        entry["xattrs"] = attributes
    return entry


def _target_of(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - names in no encoding
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise FileNotFoundError(errno.ENOENT, "no link any more", path) from error
        raise


def _attributes(path: str) -> dict[str, str]:
    """The extended attributes, POSIX ACLs among them, in hexadecimal."""
    try:
        return {
            name: os.getxattr(path, name, follow_symlinks=False).hex()
            for name in os.listxattr(path, follow_symlinks=False)
        }
    except OSError:
        return {}


def hash_of(path: str) -> str:
    """The SHA-256 of a file; raises OSError when it is something else by now.

    A pipe that somebody has put into its place would keep who opens it waiting for ever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(errno.ENOENT, "no regular file any more", path)
        return hashlib.file_digest(opened, "sha256").hexdigest()


def unsteady(manifest: Manifest) -> list[str]:
    """What has changed or gone since it was recorded: of it the archive may hold either."""
    there = dict(_there(manifest))
    return [
        path
        for path, entry in manifest.items()
        if (now := there.get(path)) is None
        or (now.st_ctime_ns, now.st_ino) != (entry["ctime"], entry["inode"])
    ]


def differences(manifest: Mapping[str, Entry], root: Path) -> list[str]:
    """Where what lies below `root` is not what was recorded, one sentence each."""
    said = []
    for path, entry in manifest.items():
        restored = f"{root}{path}"
        try:
            there = os.lstat(restored)
        except FileNotFoundError:
            said.append(f"{path} is missing")
            continue
        found = described(restored, there)
        if found["kind"] == "file":
            found["hash"] = hash_of(restored)
        said += [
            f"{path}: {key} is {found.get(key)}, was {entry.get(key)}"
            for key in _RESTORED
            if found.get(key) != entry.get(key)
            # A link's own time is nothing that anybody reads.
            and not (key == "mtime" and entry["kind"] == "link")
        ]
        if (first := entry.get("same_as")) in manifest and os.lstat(
            f"{root}{first}"
        ).st_ino != there.st_ino:
            said.append(f"{path} was one file with {first}")
    return said


def write(manifest: Manifest, file: Path) -> str:
    """Keep a manifest, for root alone; returns its SHA-256. A name in no encoding survives."""
    content = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    beside = file.with_name(f".{file.name}.new")
    beside.touch(mode=0o600)
    beside.write_bytes(content)
    beside.replace(file)
    return hashlib.sha256(content).hexdigest()


def read(file: Path) -> Manifest:
    """A manifest that was kept; an empty one where there is none that can be read."""
    try:
        found: Manifest = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found
