"""Checks of role hardening: what the kernel keeps to, now and at every start."""

import re
from fnmatch import fnmatchcase

import pytest
import yaml
from conftest import Answers
from declared import ROLES, Declared

TABLE = yaml.safe_load((ROLES / "hardening/vars/main/kernel.yml").read_text("utf-8"))
MODULES = TABLE["__hardening_unneeded_modules"]
SYSCTL = ("R8", "R9", "R11", "R12", "R13", "R14", "R23")


def settings(declared: Declared, active: frozenset[str]) -> dict[str, str]:
    """What the kernel is to keep to, by key; the host's own values win."""
    table = {
        entry["key"]: entry["value"]
        for entry in TABLE["__hardening_sysctl_table"]
        if entry["recommendation"] in active
    }
    return table | {key: str(value) for key, value in declared["hardening_sysctl"].items()}


def is_of_the_network(key: str) -> bool:
    """Whether a container has the setting for itself."""
    return key.startswith(("net.ipv4.", "net.ipv6."))


def differing(answers: Answers, wanted: dict[str, str]) -> list[str]:
    """What the kernel keeps to otherwise; a star in a key stands for every interface there is."""
    paths = {key: "/proc/sys/" + key.replace(".", "/") for key in wanted}
    lines = answers(f"grep -H '' {' '.join(paths.values())} 2>/dev/null || true").splitlines()
    now = {path: " ".join(value.split()) for path, value in (x.split(":", 1) for x in lines)}
    loose = []
    for key, value in wanted.items():
        found = [path for path in now if fnmatchcase(path, paths[key])]
        loose += [f"{key} is unknown to the kernel"] if not found else []
        loose += [f"{path[10:]} is {now[path]}" for path in found if now[path] != value]
    return loose


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi(*SYSCTL)
@pytest.mark.needs_full_kernel
def test_kernel_keeps_to_its_settings(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """The kernel gives nothing away, traces for nobody and protects files from links."""
    wanted = settings(declared, active)
    loose = differing(answers, {k: v for k, v in wanted.items() if not is_of_the_network(k)})
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R12", "R13")
def test_network_keeps_to_its_settings(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """No interface takes another's word for routes, sources or addresses."""
    wanted = settings(declared, active)
    loose = differing(answers, {k: v for k, v in wanted.items() if is_of_the_network(k)})
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi(*SYSCTL)
def test_nothing_undoes_the_settings_at_the_next_start(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """What systemd sets when the host starts, its files taken together, is the same."""
    unit = answers("systemctl show -p FragmentPath,DropInPaths systemd-sysctl.service").splitlines()
    assert unit == ["FragmentPath=/usr/lib/systemd/system/systemd-sysctl.service", "DropInPaths="]
    found: dict[str, str] = {}
    for line in answers("systemd-analyze cat-config sysctl.d").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith(("#", ";")):
            found[key.strip().lstrip("-").replace("/", ".")] = " ".join(value.split())
    wanted = settings(declared, active)
    undone = [f"{key} = {found.get(key)}" for key, v in wanted.items() if found.get(key) != v]
    for key, value in found.items():
        # For systemd a key that is written out comes before one with a star, wherever it stands.
        general = [w for w in wanted if "*" in w and fnmatchcase(key, w) and wanted[w] != value]
        undone += [f"{key} = {value}" for _ in general]
    assert not undone, ", ".join(undone)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R10")
@pytest.mark.needs_full_kernel
def test_modules_are_locked(answers: Answers) -> None:
    """No module can be loaded any more, nor after the next start."""
    assert answers("cat /proc/sys/kernel/modules_disabled").strip() == "1", (
        "modules can be loaded: it waits for a reboot, or the host was started without the lock"
    )
    unit = "pas-infra-modules-lock.service"
    state = answers(f"systemctl show -p UnitFileState,DropInPaths,Result {unit}").splitlines()
    assert set(state) == {"UnitFileState=enabled", "DropInPaths=", "Result=success"}, state
    assert "modules_disabled" in answers(f"systemctl show -P ExecStart {unit}")


def kept_away(answers: Answers, modules: list[str]) -> list[str]:
    """The modules that are loaded, or that modprobe would load."""
    loaded = {line.split()[0] for line in answers("cat /proc/modules").splitlines()}
    asked = "; ".join(f"echo {m} $(modprobe -n -v {m} 2>&1)" for m in modules)
    said = dict(line.split(" ", 1) for line in answers(asked).splitlines() if " " in line)
    loose = [f"{m} is loaded" for m in modules if m in loaded]
    # What a module depends on comes before it.
    refused = "install /bin/false"
    return loose + [f"{m}: {said.get(m)}" for m in modules if not said.get(m, "").endswith(refused)]


@pytest.mark.pas("4.4.1", "4.4.2")
@pytest.mark.anssi("R63")
@pytest.mark.needs_full_kernel
def test_removable_media_cannot_be_used(answers: Answers, declared: Declared) -> None:
    """A USB stick that is plugged in stays without a driver."""
    allowed = declared["hardening_allowed_modules"]
    loose = kept_away(answers, [m for m in MODULES["removable"] if m not in allowed])
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R23", "R63")
@pytest.mark.needs_full_kernel
def test_unneeded_modules_cannot_be_loaded(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """Rare file systems and protocols, whose code few look at, stay out of the kernel."""
    modules = MODULES["file_systems"] + MODULES["protocols"] if "R63" in active else []
    modules = modules + (MODULES["high"] if "R23" in active else [])
    allowed = declared["hardening_allowed_modules"]
    loose = kept_away(answers, [m for m in modules if m not in allowed])
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R14")
def test_nothing_leaves_a_core_dump(answers: Answers) -> None:
    """The memory of a program that fails, keys and passwords in it, goes to no file."""
    assert answers("ulimit -H -c").strip() == "0", "sessions may dump"
    assert answers("systemctl show -P DefaultLimitCORE").strip() == "0", "services may dump"
    merged = answers("systemd-analyze cat-config systemd/coredump.conf").splitlines()
    given = dict(line.split("=", 1) for line in merged if re.match(r"\w+=", line))
    assert given.get("Storage") == "none", "systemd-coredump would keep them"
    assert given.get("ProcessSizeMax") == "0", "systemd-coredump would read them"
