"""Checks of role hardening: what the kernel is started with, now and the next time."""

import json
from fnmatch import fnmatchcase

import pytest
import yaml
from conftest import Answers
from declared import ROLES, Declared

TABLE = yaml.safe_load((ROLES / "hardening/vars/main/kernel.yml").read_text("utf-8"))
MARKS = ("R7", "R8", "R15", "R18", "R23", "R25", "R37", "R63", "R73")
# What update-grub would write: it reads these files, in this order.
NEXT = (
    "sh -c 'for file in /etc/default/grub /etc/default/grub.d/*.cfg; do . $file; done; "
    "echo $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT'"
)


def arguments(declared: Declared, active: frozenset[str]) -> list[str]:
    """The words that the kernel is to be started with."""
    words = [
        word
        for entry in TABLE["__hardening_arguments_table"]
        if entry["recommendation"] in active
        and entry.get("smt", declared["hardening_smt"]) == declared["hardening_smt"]
        for word in entry["words"]
    ]
    lists = TABLE["__hardening_unneeded_modules"]
    modules = [m for name in lists if name != "high" for m in lists[name] if "R63" in active]
    modules += lists["high"] if "R23" in active else []
    kept = [m for m in modules if m not in declared["hardening_allowed_modules"]]
    return words + ([f"module_blacklist={','.join(kept)}"] if kept else [])


def faults(line: str, wanted: list[str]) -> list[str]:
    """What a command line lacks, and what in it undoes the rest; the last of a name wins."""
    words = line.split()
    last = {word.split("=", 1)[0]: word for word in words}
    lacking = [f"without {w}" for w in wanted if last.get(w.split("=", 1)[0]) != w]
    undoing = [
        f"with {word}"
        for word in words
        if any(fnmatchcase(word, p) for p in TABLE["__hardening_undoing_arguments"])
    ]
    return lacking + undoing


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi(*MARKS)
@pytest.mark.needs_full_kernel
def test_kernel_was_started_with_its_arguments(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """The running kernel was given its protections, and nothing that takes one away."""
    found = faults(answers("cat /proc/cmdline"), arguments(declared, active))
    assert not found, f"{', '.join(found)}: it waits for a reboot, or was started by other hands"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi(*MARKS)
@pytest.mark.needs_full_kernel
def test_boot_loader_starts_it_with_them(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """Every entry of the boot loader gives the kernel its arguments, also after an update."""
    wanted = arguments(declared, active)
    entries = answers(r"grep -E '^\s*linux\s' /boot/grub/grub.cfg").splitlines()
    found = [f"an entry is {fault}" for line in entries for fault in faults(line, wanted)]
    found += [f"update-grub would write one {fault}" for fault in faults(answers(NEXT), wanted)]
    assert not found, ", ".join(sorted(set(found)))


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R37")
@pytest.mark.needs_full_kernel
def test_mandatory_access_control_is_on(answers: Answers) -> None:
    """AppArmor is in the kernel, and its profiles are loaded at every start."""
    modules = answers("cat /sys/kernel/security/lsm").split(",")
    assert "apparmor" in modules, f"the kernel runs with {', '.join(modules)}"
    assert answers("cat /sys/module/apparmor/parameters/enabled").strip() == "Y"
    state = answers("systemctl show -p LoadState,ActiveState,UnitFileState apparmor.service")
    assert state.split() == ["LoadState=loaded", "ActiveState=active", "UnitFileState=enabled"]


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R45")
@pytest.mark.needs_full_kernel
def test_profiles_are_enforced(answers: Answers, declared: Declared) -> None:
    """Every profile confines, but those that are made to confine nothing or are declared."""
    lifted = declared["hardening_lifted_profiles"]
    modes = json.loads(answers("aa-status --json"))["profiles"]
    assert "enforce" in modes.values(), "the kernel enforces no profile"
    loose = [f"{name}: {mode}" for name, mode in modes.items() if mode == "complain"]
    loose += answers(
        "cd /etc/apparmor.d && find disable force-complain -mindepth 1 2>/dev/null || true"
    ).split()
    loose += answers(
        r"grep -lE 'flags\s*=\s*\(.*\bcomplain\b' /etc/apparmor.d/* 2>/dev/null || true"
    ).split()
    left = [name for name in loose if not name.endswith(tuple(f"/{n}" for n in lifted))
            and name.removesuffix(": complain") not in lifted]  # fmt: skip
    assert not left, ", ".join(left)
