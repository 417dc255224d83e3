"""Checks of role hardening: what may be done on each mount, now and after the next start."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from conftest import Answers
from declared import ROLES

TABLE = yaml.safe_load((ROLES / "hardening/vars/main/mounts.yml").read_text("utf-8"))
OPTIONS: Mapping[str, list[str]] = TABLE["__hardening_mount_options"]
COLUMNS = "--list --json --output TARGET,OPTIONS"


def lacking(mounts: list[dict[str, Any]]) -> list[str]:
    """What the mounts lack; of several on one place the last counts."""
    # The kernel writes the name of what a table may give as a number.
    last = {m["target"]: m["options"].replace("hidepid=2", "hidepid=invisible") for m in mounts}
    return [
        f"{target} lacks {option}"
        for target, options in OPTIONS.items()
        if target in last
        for option in options
        if option not in last[target].split(",")
    ]


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R28")
@pytest.mark.needs_full_kernel
def test_mounts_have_their_options(answers: Answers) -> None:
    """Where data lies nothing is run as a program, and nobody sees the processes of others."""
    mounts = json.loads(answers(f"findmnt --kernel {COLUMNS}"))["filesystems"]
    own = {mount["target"] for mount in mounts}
    apart = {"/tmp", "/dev/shm", "/proc"} - own  # noqa: S108 - mount points
    assert not apart, f"no mount of its own: {', '.join(sorted(apart))}"
    loose = lacking(mounts)
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R28")
@pytest.mark.needs_full_kernel
def test_mounts_have_them_at_the_next_start(answers: Answers) -> None:
    """The table of file systems and systemd's units mount with the same options."""
    told = answers(f"findmnt --fstab {COLUMNS} || echo '{{}}'")
    mounts = json.loads(told).get("filesystems", [])
    listed = {mount["target"] for mount in mounts}
    apart = {"/dev/shm", "/proc"} - listed  # noqa: S108
    assert not apart, f"not in /etc/fstab: {', '.join(sorted(apart))}"
    if "/tmp" not in listed:  # noqa: S108
        lines = answers("systemctl cat tmp.mount").splitlines()
        options = [line.split("=", 1)[1] for line in lines if line.startswith("Options=")]
        assert options, "systemd would mount no /tmp"
        mounts.append({"target": "/tmp", "options": options[-1]})  # noqa: S108
    loose = lacking(mounts)
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R28")
def test_logind_sees_who_is_there(answers: Answers) -> None:
    """Sessions work although processes are hidden: logind is in the group that sees them."""
    groups = answers("systemctl show -P SupplementaryGroups systemd-logind.service").split()
    assert "adm" in groups, f"logind is in {groups}"
