"""Base images of Debian 13, built with mmdebstrap, cached under a key of all that shapes them."""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from orchestrator.errors import PasInfraError
from orchestrator.lab.access import OPERATOR
from orchestrator.lab.commands import run, run_tied
from orchestrator.lab.network import RESOLVER
from orchestrator.paths import cache_directory, state_directory

SUITE = "trixie"
_FRESH_SECONDS = 24 * 3600.0  # a server begins its life with the updates of the day
_NEEDED_MB = 2500  # the larger image with the room that building it takes

# A host as a supplier delivers it: Debian, sshd, Python, and an account that may use sudo.
_SERVER = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "iputils-ping",
    "libpam-systemd",
    "openssh-server",
    "python3",
    "python3-apt",
    "sudo",
    "systemd",
    "systemd-sysv",
)
PACKAGES = {
    "server": _SERVER,
    # What anybody on the Internet may point at a server.
    "scanner": (*_SERVER, "nmap", "openscap-scanner", "openssh-client", "ssh-audit", "testssl.sh"),
}
# What a hoster's rescue system has to prepare disks.
_DISK_TOOLS = ("cryptsetup-bin", "dosfstools", "e2fsprogs", "fdisk", "lvm2", "mdadm")
PACKAGES["rescue"] = (*_SERVER, *_DISK_TOOLS)
# What lies on a server's own disks and starts from there, by BIOS or UEFI.
_SYSTEM = (
    *_SERVER,
    "cryptsetup-initramfs",
    "dosfstools",
    "dropbear-initramfs",
    "e2fsprogs",
    "grub-efi-amd64-bin",
    "grub-pc-bin",
    "grub2-common",
    "lvm2",
    "mdadm",
)
KERNEL_PACKAGES = ("grub2-common", "initramfs-tools", "linux-image-cloud-amd64")


@dataclass(frozen=True)
class ImageRecipe:
    """Everything that shapes an image; the same recipe gives the same key."""

    name: str
    packages: tuple[str, ...]
    sources: str
    apt_settings: str
    certificates: tuple[str, ...]
    customize: str

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits over the whole recipe."""
        content = json.dumps(self.__dict__, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def directory(self) -> Path:
        """Where the image lies in the user's cache; its root file system is in `root/`."""
        return cache_directory() / "images" / f"{self.name}-{self.key}"


def recipe(image: str, *, kernel: bool) -> ImageRecipe:
    """The recipe of an image on this machine, whose Debian sources it takes over."""
    packages = PACKAGES[image] + (KERNEL_PACKAGES if kernel else ())
    return ImageRecipe(
        name=f"{image}-vm" if kernel else image,
        packages=tuple(sorted(packages)),
        sources=debian_sources(),
        apt_settings=_apt_settings(),
        certificates=tuple(
            path.read_text() for path in sorted(Path("/usr/local/share/ca-certificates").glob("*"))
        ),
        customize=(resources.files("orchestrator.lab") / "customize-image.sh").read_text(),
    )


def system_recipe(kernel: str) -> ImageRecipe:
    """The recipe of what is installed on a server's own disks, with the package of its kernel.

    Unlike a lab's image it has nothing of this machine but its Debian sources.
    """
    return ImageRecipe(
        name=f"system-{kernel}",
        packages=tuple(sorted((*_SYSTEM, kernel))),
        sources=debian_sources(),
        apt_settings=_apt_settings(),
        certificates=(),
        customize=(resources.files("orchestrator.lab") / "customize-system.sh").read_text(),
    )


def ensure_archive(wanted: ImageRecipe, *, progress: Callable[[str], None]) -> Path:
    """The image's root file system as a gzipped tar archive, made once.

    Raises PasInfraError when it cannot be made.
    """
    _forget_old(wanted)
    root = ensure_image(wanted, progress=progress)
    archive = wanted.directory / "system.tar.gz"
    with _building(wanted):
        if not archive.exists():
            progress(f"packing the image {wanted.name}")
            making = archive.with_suffix(".making")
            run_tied(
                ["tar", "--create", "--use-compress-program=gzip -1", "--numeric-owner", "--xattrs",
                 "--xattrs-include=*", f"--directory={root}", f"--file={making}", "."],
                timeout=600,
            )  # fmt: skip
            # Who installs may be no root.
            run(["chown", f"{os.getuid()}:{os.getgid()}", making], privileged=True)
            making.rename(archive)
    return archive


def _forget_old(wanted: ImageRecipe) -> None:
    """Drop an image whose packages may have had security updates since."""
    root = wanted.directory / "root"
    with _building(wanted):
        if root.is_dir() and time.time() - root.stat().st_ctime > _FRESH_SECONDS:
            run(["rm", "-rf", wanted.directory], privileged=True)


def ensure_image(wanted: ImageRecipe, *, progress: Callable[[str], None]) -> Path:
    """The image's root file system, built first if it is not in the cache.

    Raises PasInfraError when the disk has no room or mmdebstrap fails.
    """
    root = wanted.directory / "root"
    with _building(wanted):
        if not root.is_dir():
            _require_room(wanted.directory.parent)
            progress(f"building the image {wanted.name} ({len(wanted.packages)} packages)")
            _build(wanted, root)
            _remove_superseded(wanted)
    return root


def debian_sources() -> str:
    """The apt sources for Debian 13 from the archives that this machine uses itself.

    Empty on a machine without Debian archives: mmdebstrap then uses its own default.
    """
    here = debian_codename(Path("/etc/os-release").read_text())
    if not here:
        return ""
    targets = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"])
    return sources_of(targets, here)


def debian_codename(os_release: str) -> str:
    """The code name in an os-release(5) text; "" when it is not of a release of Debian."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    name = fields.get("VERSION_CODENAME", "").strip("\"'")
    return name if fields.get("ID", "").strip("\"'") == "debian" else ""


def sources_of(targets: str, here: str) -> str:
    """Debian 13's sources from apt's list of targets on a machine that runs the release `here`."""
    lines: list[str] = []
    for target in sorted(set(targets.splitlines())):
        fields = target.split()
        if len(fields) != 3:
            continue  # a flat archive or a disc
        uri, release, component = fields
        suite = release.split("/")[0]
        if component == "main" and suite in (here, f"{here}-updates", f"{here}-security"):
            lines.append(f"deb {uri} {suite.replace(here, SUITE, 1)} {component}\n")
    return "".join(lines)


def _apt_settings() -> str:
    """How this machine's apt reaches its archives: proxies and the checks of their dates."""
    wanted = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-")
    listed = run(["apt-config", "dump"]).splitlines()
    return "".join(f"{line}\n" for line in listed if line.startswith(wanted))


def _build(wanted: ImageRecipe, root: Path) -> None:
    work = wanted.directory / "building"
    run(["rm", "-rf", wanted.directory], privileged=True)
    work.mkdir(parents=True)
    (work / "apt.conf").write_text(wanted.apt_settings)
    for number, certificate in enumerate(wanted.certificates):
        (work / f"control-node-{number}.crt").write_text(certificate)
    (work / "customize.sh").write_text(wanted.customize)
    (work / "sources.list").write_text(wanted.sources)
    run_tied(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=apt",
            "--mode=root",
            f"--include={','.join(wanted.packages)}",
            *([f"--aptopt={work}/apt.conf"] if wanted.apt_settings else []),
            f"--customize-hook=sh {work}/customize.sh $1 {work} {OPERATOR} {RESOLVER}",
            SUITE,
            work / "root",
            *([work / "sources.list"] if wanted.sources else []),
        ],
        timeout=1800,
    )
    # The last step makes the image count: a build that was cut short has no `root`.
    run(["mv", work / "root", root], privileged=True)
    run(["rm", "-rf", work], privileged=True)


@contextmanager
def _building(wanted: ImageRecipe) -> Iterator[None]:
    """Let two labs that start at once build an image once."""
    wanted.directory.parent.mkdir(parents=True, exist_ok=True)
    with (wanted.directory.parent / f"{wanted.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_superseded(wanted: ImageRecipe) -> None:
    """Drop older images of the same name, unless a machine's disk stands on one."""
    # As root: an ordinary user sees the mounts of no machine.
    everyone = "cat /proc/[0-9]*/mounts 2> /dev/null || :"
    mounted = run(["sh", "-c", everyone], privileged=True)
    notes = state_directory().glob("labs/*/machines/*/image")
    needed = mounted + "".join(note.read_text() for note in notes)
    for path in wanted.directory.parent.glob(f"{wanted.name}-" + "[0-9a-f]" * 16):
        if path != wanted.directory and str(path) not in needed:
            run(["rm", "-rf", path], privileged=True)


def _require_room(directory: Path) -> None:
    free = shutil.disk_usage(directory).free // 2**20
    if free < _NEEDED_MB:
        raise PasInfraError(
            f"an image needs {_NEEDED_MB} MB of disk, {free} MB are free",
            where=directory,
            next_step="free some, or set XDG_CACHE_HOME to a directory on a larger disk",
        )
