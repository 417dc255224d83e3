"""Runs on a host: files that somebody put, changed or took away, and programs with rights."""

import base64
import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from orchestrator.drift.collector.host.commands import Objects
from orchestrator.drift.collector.host.dpkg import Packaged, merged, packaged
from orchestrator.drift.collector.host.storage import mounted

# There no program is looked for: no file of their own, or another host's.
NO_FILES = {"autofs", "binfmt_misc", "bpf", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs",
             "efivarfs", "fuse", "fuse.sshfs", "fusectl", "hugetlbfs", "mqueue", "nfs", "nfs4",
             "cifs", "nsfs", "overlay", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs",
             "selinuxfs", "sysfs", "tracefs", "squashfs"}  # fmt: skip
# Their content is told as accounts, groups and authorities, or is worked out from other files.
_LIVING = re.compile(
    r"/etc/(?:passwd|shadow|group|gshadow|subuid|subgid)-?|/etc/(?:mtab|adjtime|ld\.so\.cache"
    r"|\.pwd\.lock|\.updated|fake-hwclock\.data)|/etc/ssl/certs/.*|/etc/mailcap|/etc/.*/random_seed"
)
# Made by the packages' own scripts, from what the packages brought.
MADE = re.compile(
    r".*/__pycache__(?:/.*)?|/usr/lib/modules/[^/]+/modules\..*|/usr/lib/locale/.*"
    r"|/usr/share/mime/.*"
    r"|/usr/share/(?:info/dir.*|glib-2\.0/schemas/gschemas\.compiled|applications/mimeinfo\.cache"
    r"|icons/.*\.cache|doc/.*|man/.*|locale/.*)|/usr/lib/.*/(?:gconv-modules|giomodule)\.cache"
    r"|/usr/lib/systemd/catalog/.*|/usr/lib/udev/hwdb\.bin|/usr/local/share/man(?:/.*)?"
)
_IN_HOMES = (".ssh", ".rhosts", ".shosts", ".forward", ".config/systemd", ".config/autostart")
_OF_ROOT = (".bashrc", ".profile", ".bash_profile", ".bash_login", ".bash_logout")
_OWN = ("/etc", "/usr/local", "/var/spool/cron", "/var/spool/at", "/var/lib/systemd/linger",
        "/var/lib/dpkg/statoverride")  # fmt: skip
# Settings until the next start, which stand before those of /etc or add to them.
_UNTIL_RESTART = ("systemd/system/*", "systemd/*.conf.d", "sysctl.d", "modprobe.d", "tmpfiles.d/*",
                  "modules-load.d")  # fmt: skip
_UNTRACKED = re.compile(
    r".*/\.ssh/known_hosts.*|/etc/lvm/(?:archive|backup|cache)/.*"
    r"|/var/spool/cron/atjobs/\.SEQ|/var/spool/at/\.SEQ"
)
_NAMED = (".pem", ".crt", ".cer", ".cert")
_ELSEWHERE = ("/home/", "/opt/", "/root/", "/srv/", "/usr/local/", "/var/lib/")
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_LARGEST_CERTIFICATE = 1_000_000  # bytes
_AS_PACKAGED = "as packaged"
_CHUNK = 1 << 20


def files(*, verify: bool) -> Objects:
    """Files of the configuration; with `verify`, those of every package and what nobody brought.

    Without it no program is read and no file system is searched.
    """
    known = packaged()
    found: Objects = {"file": dict(_configuration(known)), "authority": dict(_authorities())}
    if not verify:
        return found
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        checked = pool.map(partial(_verified, known), known.md5.items(), chunksize=64)
        found |= _on_disk(known)
        found["program"] |= {path: about for path, about in checked if about}
    for path, about in found["file"].items():
        own = path.startswith("/etc/") and not path.startswith("/etc/ssl/certs/")
        if own and about["type"] == "file":
            found["certificate"] |= _certificate(path)
    return found


def _on_disk(known: Packaged) -> Objects:
    """What a walk over the disks shows: rights, certificates, and what lies among the programs."""
    found: Objects = {"program": {}, "suid": {}, "capability": {}, "certificate": {}}
    for path, status in _walk():
        if stat.S_ISREG(status.st_mode):
            if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                found["suid"][path] = _about(status)
            if status.st_mode & 0o111 and (rights := _attribute(path, "security.capability")):
                found["capability"][path] = {"rights": rights}
            if path.endswith(_NAMED) and path.startswith(_ELSEWHERE):
                found["certificate"] |= _certificate(path)
        strange = path.startswith("/usr/") and not f"{path}/".startswith("/usr/local/")
        if strange and path not in known.owner and not MADE.fullmatch(path):
            found["program"][path] = _file(path, status)
    return found


def _walk() -> Iterator[tuple[str, os.stat_result]]:
    """Every file of the host's own file systems on which a program may get rights.

    Where `nosuid` holds the kernel gives none; what lies in memory is looked at all the same.
    """
    for one in {mount.place: mount for mount in mounted()}.values():
        of_memory = one.kind == "tmpfs"
        if one.place != "/" and (
            one.kind in NO_FILES or ("nosuid" in one.options and not of_memory)
        ):
            continue
        try:
            device = Path(one.place).stat().st_dev
        except OSError:
            continue
        yield from below(one.place, device)


def below(
    top: str, device: int | None = None, without: Collection[str] = ()
) -> Iterator[tuple[str, os.stat_result]]:
    """What lies below a directory, itself apart; with a device, on it only.

    Directories of `without` are not opened.
    """
    waiting = [top]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # gone meanwhile; what lies beside it is not
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        if device in (None, status.st_dev) and entry.path not in without:
                            waiting.append(entry.path)
                        else:
                            continue
                    yield entry.path, status
        except OSError:  # gone meanwhile
            continue


def _configuration(known: Packaged) -> Iterator[tuple[str, dict[str, object]]]:
    """All of what no package should touch, jobs, and what in homes lets in or starts something."""
    for path, digest in known.configuration.items():
        if not os.path.lexists(path):
            yield path, {"type": "missing", "package": known.owner.get(path, "")}
        elif not path.startswith("/etc/") and not _as_installed(path, digest):
            yield path, _file(path, os.lstat(path)) | {"package": known.owner.get(path, "")}
    passing = [str(path) for pattern in _UNTIL_RESTART for path in Path("/run").glob(pattern)]
    for top in (*_OWN, *passing, *_of_homes()):
        try:
            itself = Path(top).lstat()
        except OSError:  # not everybody has one
            continue
        inside = below(top) if stat.S_ISDIR(itself.st_mode) else iter(())
        for path, status in chain([(top, itself)], inside):
            if _UNTRACKED.fullmatch(path) or MADE.fullmatch(path) or _brought(path, known):
                continue
            about = _file(path, status, known.configuration.get(path, ""))
            if path in known.configuration:
                about["package"] = known.owner.get(path, "")
            yield path, about


def _of_homes() -> Iterator[str]:
    homes = {"/root"}
    for line in Path("/etc/passwd").read_text(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 5 and fields[5] not in ("", "/", "/nonexistent"):
            homes.add(fields[5].rstrip("/"))
    for home in sorted(homes):
        yield from (f"{home}/{name}" for name in _IN_HOMES)
    yield from (f"/root/{name}" for name in _OF_ROOT)


def _brought(path: str, known: Packaged) -> bool:
    """Whether it is a link of the directory of authorities to one that a package brought."""
    return path.startswith("/etc/ssl/certs/") and os.path.realpath(path) in known.owner


def _file(path: str, status: os.stat_result, packaged_md5: str = "") -> dict[str, object]:
    if stat.S_ISLNK(status.st_mode):
        return {"type": "link", "to": _target(path)}
    about: dict[str, object] = {"type": _type(status.st_mode), **_about(status)}
    if acl := _attribute(path, "system.posix_acl_access"):
        about["acl"] = acl
    if stat.S_ISREG(status.st_mode) and not _LIVING.fullmatch(path) and not _leased(path):
        if packaged_md5 and _as_installed(path, packaged_md5):
            about["content"] = _AS_PACKAGED
        else:
            about["content"] = f"sha256 {digest_of(path, 'sha256')}"
    return about


def _target(path: str) -> str:
    try:
        return merged(str(Path(path).readlink()))
    except OSError:  # gone, or exchanged meanwhile
        return "unreadable"


def _type(mode: int) -> str:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link",
             stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "device")


def _about(status: os.stat_result) -> dict[str, object]:
    return {
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": f"{status.st_uid}:{status.st_gid}",
    }


def _as_installed(path: str, md5: str) -> bool:
    return digest_of(path, "md5") == md5


def digest_of(path: str, algorithm: str) -> str:
    """The digest of a regular file: whoever owns it may put a pipe in its place meanwhile."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOATIME)
    except OSError:
        return "unreadable"
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return "unreadable"
        digest = hashlib.new(algorithm, usedforsecurity=False)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return digest.hexdigest()


def _verified(known: Packaged, item: tuple[str, str]) -> tuple[str, dict[str, object]]:
    """A file of a package, if it is not what the package brought, or others may change it."""
    path, md5 = item
    try:
        status = os.lstat(path)
    except OSError:
        return path, {"type": "missing", "package": known.owner.get(path, "")}
    differs = stat.S_ISREG(status.st_mode) and not _as_installed(path, md5)
    others = status.st_uid != 0 or (status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode))
    if not differs and not others:
        return path, {}
    return path, _file(path, status, md5) | {"package": known.owner.get(path, "")}


def _attribute(path: str, name: str) -> str:
    try:
        return os.getxattr(path, name, follow_symlinks=False).hex()
    except OSError:
        return ""


def _leased(path: str) -> bool:
    """Whether it is the list of name servers, and a program writes there what a lease says."""
    if path != "/etc/resolv.conf":
        return False
    text = Path(path).read_text(errors="replace").lower()
    return "generated by" in text or "resolvconf" in text


def _certificate(path: str) -> dict[str, dict[str, object]]:
    """The file, if it holds certificates: the first one in full, so that its end can be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOATIME)
    except OSError:
        return {}
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_CERTIFICATE:
            return {}
        blocks = _BLOCK.findall(file.read(_LARGEST_CERTIFICATE))
    if not blocks:
        return {}
    return {path: {"certificate": "".join(blocks[0].decode().split()),
                   "sha256": [_fingerprint(block) for block in blocks]}}  # fmt: skip


def _authorities() -> Iterator[tuple[str, dict[str, object]]]:
    """Whom the host trusts besides those that its packages brought."""
    if not _AUTHORITIES.exists():
        return
    trusted = set(_BLOCK.findall(_AUTHORITIES.read_bytes()))
    for place in Path("/usr/share/ca-certificates").rglob("*.crt"):
        trusted -= set(_BLOCK.findall(place.read_bytes()))
    for block in trusted:
        yield _fingerprint(block), {"in": str(_AUTHORITIES)}


def _fingerprint(block: bytes) -> str:
    try:
        return hashlib.sha256(base64.b64decode(block)).hexdigest()
    except ValueError:
        return "unreadable"
