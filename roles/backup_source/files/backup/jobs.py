"""What is done with the backups of this host, each over the sessions that the target offers."""

import contextlib
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import archives
import manifest
from archives import STATE, Refused, Repository, borg
from offers import NotOffered, Offers

Said = dict[str, Any]
SANDBOX = STATE / "restored"
UNITS = Path("/etc/systemd/system")


@dataclass
class Work:
    """What a job needs: the offers, what is declared for this host, and who is told how it goes."""

    offers: Offers
    declared: Mapping[str, Any]
    tell: Callable[[str], None]

    def sets(self, names: list[str] | None) -> list[Mapping[str, Any]]:
        """The declared data sets, or those of these names; raises Refused for one that is none."""
        by_name = {one["name"]: one for one in self.declared["sets"]}
        if unknown := [name for name in names or () if name not in by_name]:
            raise Refused(f"no data set of this host is called {', '.join(unknown)}")
        return [by_name[name] for name in (names or by_name)]

    def repository(self, name: str) -> Repository:
        """The repository of a data set."""
        return archives.repository(self.declared["place"], name)


def keys(
    work: Work,
    names: list[str] | None = None,
    given: Mapping[str, Mapping[str, str]] | None = None,
) -> Said:
    """Begin what has not begun, and give out what opens it: for the escrow, over SSH alone.

    Of those in escrow that are `given` a host that was built anew takes its own again.
    """
    found = {}
    for one in work.sets(names):
        there = work.repository(one["name"])
        work.tell(f"key of {there.name}")
        if given and there.name in given:
            archives.take(there, **given[there.name])
        archives.begin(work.offers, there)
        found[there.name] = {
            "key": there.key.read_text(), "passphrase": there.passphrase.read_text()
        }  # fmt: skip
    return {"keys": found}


def backup(work: Work, names: list[str] | None = None, escrowed: tuple[str, ...] = ()) -> Said:
    """An archive of each data set; one that fails does not keep the others from theirs.

    `escrowed` are those whose keys are in escrow by now: from then on they may be used.
    """
    for one in work.sets(list(escrowed)) if escrowed else ():
        (archives.KEYS / f"{one['name']}.escrowed").touch(mode=0o600)
    done = []
    packages()
    for one in work.sets(names):
        try:
            done.append(_archive(work, one))
        except (Refused, OSError) as why:
            done.append({"set": one["name"], "failed": str(why)})
    return {"archives": done}


def _archive(work: Work, one: Mapping[str, Any]) -> Said:
    there = work.repository(one["name"])
    if not there.has_key:
        raise Refused("its repository has not begun: pas-infra backup run begins it")
    if not (archives.KEYS / f"{there.name}.escrowed").exists():
        raise Refused("its key is not in escrow: pas-infra backup run puts it there")
    for path in one["paths"]:
        # A volume that nobody has opened yet is no client without data.
        unit = UNITS / f"{path.strip('/').replace('/', '-')}.mount"
        if unit.exists() and not Path(path).is_mount():
            raise Refused(f"{path} is not mounted: pas-infra unlock opens it")
    started = time.time()
    work.tell(f"{there.name}: reading")
    place = STATE / "manifests"
    file = place / f"{there.name}.json"
    without = [*work.declared["never"], *one.get("exclude", [])]
    too_long: list[str] = []
    recorded = manifest.record(manifest.walk(one["paths"], without, too_long), manifest.read(file))
    if not recorded:
        raise Refused(f"there is nothing in {', '.join(one['paths'])}")
    sha256 = manifest.write(recorded, file)
    archive = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    limit = work.declared["rate_kib"]
    options = [f"--upload-ratelimit={limit}"] if limit else []
    printed, warnings = borg(
        work.offers, there,
        ["create", "--json", "--progress", "--compression", work.declared["compression"],
         "--checkpoint-interval", "300", "--files-cache", "ctime,size,inode", *options,
         "--paths-from-stdin", "--paths-delimiter", "\\0", f"::{archive}"],
        stdin=b"\0".join(os.fsencode(path) for path in [*recorded, str(file)]),
        progress=lambda files: work.tell(f"{there.name}: {files} of {len(recorded)} files"),
    )  # fmt: skip
    changing = manifest.unsteady(recorded)
    work.tell(f"{there.name}: comparing")
    held = {path for path, _, _ in _listed(work, there, archive)}
    wanted = {*recorded, str(file)}
    missing = sorted(wanted - held - set(changing))
    stats = json.loads(printed)["archive"]
    entry = {
        "set": there.name,
        "archive": archive,
        "id": stats["id"],
        "started": _moment(started),
        "ended": _moment(time.time()),
        "files": len(recorded),
        "size": int(stats["stats"]["original_size"]),
        "stored": int(stats["stats"]["deduplicated_size"]),
        "manifest_sha256": sha256,
        "paths": one["paths"],
        "unsteady": changing,
        "missing": missing + [f"{path[:200]}…" for path in too_long[:20]],
        "uncalled": sorted(held - wanted),
        "warnings": warnings[:20],
    }
    kept = STATE / "catalogue" / f"{there.name}.jsonl"
    kept.touch(mode=0o600)
    with kept.open("a") as register:
        register.write(f"{json.dumps(entry)}\n")
    return entry


def packages() -> None:
    """Write down what is installed, to be found again in an archive."""
    import subprocess

    for name, command in {
        "packages": ["dpkg-query", "--show", "--showformat=${Package}\t${Version}\t${Status}\n"],
        "packages-wanted": ["apt-mark", "showmanual"],
    }.items():
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        file = STATE / name
        # A file that is the same is not read again.
        if not file.exists() or file.read_text() != said:
            file.write_text(said)


def listing(work: Work, names: list[str] | None = None, **where: Any) -> Said:
    """The archives that each repository says it holds."""
    found = {}
    for one in work.sets(names):
        with _opened(work, one["name"], **where) as there:
            printed, _ = borg(work.offers, there, ["list", "--json"])
        found[there.name] = [
            {"archive": each["archive"], "id": each["id"], "time": each["time"]}
            for each in json.loads(printed)["archives"]
        ]
    return {"archives": found}


def check(work: Work, names: list[str] | None = None) -> Said:
    """Decrypt and authenticate all that each repository holds; what is damaged, in borg's words."""
    found = {}
    for one in work.sets(names):
        there = work.repository(one["name"])
        work.tell(f"{there.name}: checking")
        try:
            _, warnings = borg(work.offers, there, ["check", "--verify-data"])
            found[there.name] = warnings
        except Refused as why:
            found[there.name] = [str(why)]
    return {"damaged": {name: said for name, said in found.items() if said}}


def prune(work: Work, name: str, archives: list[str]) -> Said:
    """Mark archives as deleted: what they hold goes when the target makes room, and not before."""
    work.sets([name])
    there = work.repository(name)
    printed, _ = borg(work.offers, there, ["list", "--json", "--consider-checkpoints"])
    held = [str(each["archive"]) for each in json.loads(printed)["archives"]]
    whole = [one for one in held if ".checkpoint" not in one]
    # What a backup that was cut has left, and a later one has made worthless.
    last = max(whole, default="")
    going = [one for one in held if one in archives or (one not in whole and one < last)]
    if going:
        work.tell(f"{name}: {len(going)} of {len(held)} archives go")
        borg(work.offers, there, ["delete", "::", *going])
    return {"gone": going}


def restore(
    work: Work,
    name: str,
    to: str,
    archive: str | None = None,
    paths: list[str] | None = None,
    overwrite: bool = False,  # noqa: FBT001, FBT002 - a word of a request
    known: Mapping[str, str] | None = None,
    **where: Any,
) -> Said:
    """Bring an archive, or some paths of it, to a directory; never over what is there, unasked.

    `known` are the archives that were made, each with its identity: another one under its name is
    refused, and one that nobody knows is warned of.
    """
    work.sets([name])
    with _opened(work, name, **where) as there:
        chosen, doubts = archive or "", []
        if known is not None or not archive:
            chosen, identity = _found(work, there, archive)
            if known and known.get(chosen, identity) != identity:
                raise Refused(f"{chosen} is another archive than was made under this name")
            if known is not None and chosen not in known:
                doubts = [f"no backup is known that made {chosen}: backup status asks the source"]
        wanted = [path.strip("/") for path in paths or ()]
        held = list(_listed(work, there, chosen, wanted))
        root = Path(to)
        _demand_room(root, held)
        if not overwrite:
            in_the_way = [
                f"{to.rstrip('/')}{path}"
                for path, kind, _ in held
                if kind != "d" and os.path.lexists(f"{to.rstrip('/')}{path}")
            ]
            if in_the_way:
                raise Refused(
                    f"{len(in_the_way)} files are there already, such as {in_the_way[0]}: "
                    "--overwrite replaces them"
                )
        root.mkdir(parents=True, exist_ok=True)
        work.tell(f"{name}: restoring {len(held)} files")
        started = time.monotonic()
        # As they lie in the archive: without the first slash.
        chosen_paths = [f"pp:{path}" for path in wanted]
        _, warnings = borg(
            work.offers, there, ["extract", "--numeric-ids", f"::{chosen}", *chosen_paths], cwd=root
        )
    return {
        "archive": chosen, "to": to, "files": len(held), "size": sum(size for *_, size in held),
        "seconds": round(time.monotonic() - started, 1), "warnings": doubts + warnings,
    }  # fmt: skip


def test(
    work: Work,
    name: str,
    manifest_sha256: str,
    archive: str,
    unsteady: list[str],
    files: int | None,
    **where: Any,
) -> Said:
    """Restore an archive, or so many files of it, and compare each with its record of that day.

    The record comes out of the archive too: it is believed for its sum, which the control node has.
    """
    SANDBOX.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SANDBOX) as place:
        root = Path(place)
        started = time.monotonic()
        record = str(STATE / "manifests" / f"{name}.json")
        restore(work, name, place, archive, [record], **where)
        recorded_at = root / record.lstrip("/")
        import hashlib

        if hashlib.sha256(recorded_at.read_bytes()).hexdigest() != manifest_sha256:
            return {"compared": 0, "differing": ["the record of the archive is another one"]}
        recorded = manifest.read(recorded_at)
        # Else it would lie where the archive's own files come, as one of them.
        recorded_at.unlink()
        steady = {path: one for path, one in recorded.items() if path not in set(unsteady)}
        if files is not None:
            plain = [path for path, one in steady.items() if one["kind"] == "file"]
            chosen = random.sample(plain, min(files, len(plain)))
            # One name of several: without the first there is nothing to compare it with.
            steady = {path: {**steady[path], "same_as": None} for path in chosen}
            if chosen:
                restore(work, name, place, archive, chosen, **where)
        else:
            restore(work, name, place, archive, None, overwrite=True, **where)
        seconds = time.monotonic() - started
        differing = manifest.differences(steady, root)
    return {
        "compared": len(steady), "differing": differing[:50], "differ": len(differing),
        "unsteady": len(unsteady),
        "size": sum(one["size"] for one in steady.values()), "seconds": round(seconds, 1),
    }  # fmt: skip


@contextlib.contextmanager
def _opened(
    work: Work,
    name: str,
    key: Mapping[str, str] | None = None,
    kept: bool = False,  # noqa: FBT001, FBT002
) -> Iterator[Repository]:
    """A repository: with the key of this host or a given one, as it is or as it was kept."""
    with contextlib.ExitStack() as stack:
        there = work.repository(name)
        if key:
            there = stack.enter_context(
                archives.with_given_key(there, key["key"], key["passphrase"])
            )
        if not there.has_key:
            raise Refused(f"this host has no key of {name}: --escrow takes the one in escrow")
        if kept:
            there = stack.enter_context(archives.recalled(there, work.declared["place"]))
        yield there


def _found(work: Work, there: Repository, archive: str | None) -> tuple[str, str]:
    """Name and identity of an archive, or of the last one."""
    printed, _ = borg(work.offers, there, ["list", "--json"])
    held = json.loads(printed)["archives"]
    for one in reversed(held):
        if archive in (None, one["archive"]):
            return str(one["archive"]), str(one["id"])
    raise Refused(f"{there.name} holds no archive {archive or ''}".rstrip())


def _listed(
    work: Work, there: Repository, archive: str, paths: list[str] | None = None
) -> Iterator[tuple[str, str, int]]:
    """Path, kind and size of what an archive holds; raises Refused for a path that it does not."""
    said, _ = borg(
        work.offers, there,
        ["list", "--format", "{type} {size} {bpath}{NUL}", f"::{archive}",
         *(f"pp:{path}" for path in paths or ())],
    )  # fmt: skip
    held = [line.split(" ", 2) for line in said.split("\0") if line]
    found = [(f"/{path}", kind, int(size)) for kind, size, path in held]
    for path in paths or ():
        if not any(f"/{path}" == one or one.startswith(f"/{path}/") for one, *_ in found):
            raise Refused(f"{archive} holds no /{path}")
    yield from found


def _demand_room(root: Path, held: list[tuple[str, str, int]]) -> None:
    there = root
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise Refused(f"{there} is no directory")
    needed, free = sum(size for *_, size in held), shutil.disk_usage(there).free
    if needed > free:
        raise Refused(f"{there} has {free / 1e6:.0f} MB left, and {needed / 1e6:.0f} MB are needed")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


JOBS: dict[str, Callable[..., Said]] = {
    "keys": keys, "backup": backup, "list": listing, "check": check,
    "restore": restore, "test": test, "prune": prune,
}  # fmt: skip
__all__ = ["JOBS", "NotOffered", "Work"]
