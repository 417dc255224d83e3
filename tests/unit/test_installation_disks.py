"""Which disks an installation takes, from what lsblk lists: never a guess."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

PLUGIN = Path(__file__).parents[2] / "roles/installation/filter_plugins/installation.py"
_spec = importlib.util.spec_from_file_location("installation", PLUGIN)
assert _spec is not None
assert _spec.loader is not None
installation = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(installation)

GB = 10**9


def node(name: str, kind: str = "disk", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "path": f"/dev/{name}", "type": kind, "size": 960 * GB, "serial": None,
        "fstype": None, "pttype": None, "partlabel": None, "mountpoints": [None], "model": None,
        **more,
    }  # fmt: skip


RESCUE = node("sda", size=8 * GB, fstype="ext4", mountpoints=["/"], serial="RESCUE")
FIRST = node("nvme0n1", serial="S1", model="SAMSUNG ")
SECOND = node("nvme1n1", serial="S2", size=960_197_124_096)
DATA = node("sdb", serial="S3", size=4000 * GB)


def listed(*disks: dict[str, Any]) -> dict[str, Any]:
    return {"blockdevices": list(disks)}


def paths(declared: list[dict[str, Any]], *disks: dict[str, Any]) -> list[str]:
    return [one["path"] for one in installation.chosen(listed(*disks), declared)]


def test_serial_numbers_choose_in_the_declared_order() -> None:
    chosen = paths([{"serial": "S2"}, {"serial": "S1"}], RESCUE, FIRST, SECOND, DATA)
    assert chosen == ["/dev/nvme1n1", "/dev/nvme0n1"]


def test_all_disks_of_a_size_are_chosen_together() -> None:
    chosen = paths([{"size_gb": 960}, {"size_gb": 960}], RESCUE, FIRST, SECOND, DATA)
    assert chosen == ["/dev/nvme0n1", "/dev/nvme1n1"]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ([], "declares no disk"),
        ([{"serial": "S9"}], "asks for 1 disk with the serial number S9, and there are 0"),
        ([{"serial": "S"}], "there are 0"),
        ([{"size_gb": 960}], "asks for 1 disk with 960 GB, and there are 2"),
        ([{"size_gb": 960}] * 3, "asks for 3 disks with 960 GB, and there are 2"),
        ([{"size_gb": 900}], "there are 0"),
        ([{"serial": "S1"}, {"serial": "S1"}], "names a disk twice"),
        ([{"serial": "S1"}, {"size_gb": 960}, {"size_gb": 960}], "names a disk twice"),
        ([{"path": "/dev/sda"}], "neither serial nor size_gb"),
    ],
)
def test_a_guess_is_refused(declared: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said) as refused:
        paths(declared, RESCUE, FIRST, SECOND, DATA)
    if "there are" in said:
        # Whoever declared it wrongly sees what could have been meant.
        assert "/dev/nvme0n1 SAMSUNG, 960 GB, serial number S1" in str(refused.value)


def one(disk: dict[str, Any]) -> dict[str, Any]:
    found = installation.chosen(listed(disk), [{"serial": disk["serial"]}])
    assert len(found) == 1
    return dict(found[0])


def test_an_empty_disk_holds_nothing() -> None:
    found = one(FIRST)
    assert (found["holds"], found["unfinished"], found["in_use"]) == ([], False, False)
    assert found["text"].endswith(": empty")


@pytest.mark.parametrize(
    ("disk", "holds"),
    [
        (node("sdb", serial="X", pttype="gpt"), ["gpt on sdb"]),
        (node("sdb", serial="X", fstype="ext4"), ["ext4 on sdb"]),
        (
            node("sdb", serial="X", pttype="gpt", children=[
                node("sdb1", "part", fstype="linux_raid_member", children=[
                    node("md0", "raid1", fstype="xfs", mountpoints=["/mnt/old"])])]),
            ["gpt on sdb", "linux_raid_member on sdb1", "xfs on md0 mounted at /mnt/old"],
        ),
    ],
)  # fmt: skip
def test_what_a_disk_holds_is_said(disk: dict[str, Any], holds: list[str]) -> None:
    found = one(disk)
    assert found["holds"] == holds
    assert all(text in found["text"] for text in holds)
    assert not found["unfinished"]


@pytest.mark.parametrize(
    ("labels", "unfinished"),
    [
        (["pas-infra unfinished bios", "pas-infra unfinished system"], True),
        (["pas-infra bios", "pas-infra system"], False),
        # Somebody has added a partition: it may hold what we know nothing of.
        (["pas-infra unfinished bios", "data"], False),
        # Finishing was cut between two names.
        (["pas-infra bios", "pas-infra unfinished system"], True),
        (["pas-infra unfinished bios", None], False),
    ],
)
def test_only_what_we_left_unfinished_is_gone_on_with(
    labels: list[str | None], *, unfinished: bool
) -> None:
    parts = [
        node(f"sdb{n}", "part", partlabel=label, fstype="ext4") for n, label in enumerate(labels)
    ]
    assert one(node("sdb", serial="X", pttype="gpt", children=parts))["unfinished"] is unfinished


def test_a_disk_that_came_anew_starts_all_of_them_anew() -> None:
    part = node("sdb1", "part", partlabel="pas-infra unfinished bios")
    ours = node("sdb", serial="X", pttype="gpt", children=[part])
    for other, resumes in (
        (node("sdc", serial="Y"), False),
        ({**ours, "path": "/dev/sdc", "serial": "Y"}, True),
    ):
        found = installation.chosen(listed(ours, other), [{"serial": "X"}, {"serial": "Y"}])
        assert [disk["resumes"] for disk in found] == [resumes, resumes]
        assert ("gone on with" if resumes else "started anew") in found[0]["text"]


def test_an_unfinished_installation_is_begun_anew_when_that_is_asked_for() -> None:
    part = node("sdb1", "part", partlabel="pas-infra unfinished bios")
    ours = node("sdb", serial="X", pttype="gpt", children=[part])
    [found] = installation.chosen(listed(ours), [{"serial": "X"}], wipe=True)
    assert (found["resumes"], found["unfinished"]) == (False, True)
    assert "started anew" in found["text"]


@pytest.mark.parametrize(
    ("gateway", "prefix", "reached"),
    [("192.0.2.254", "24", True), ("192.0.2.254", "32", False), ("198.51.100.1", "24", False)],
)
def test_an_initramfs_has_no_gateway_elsewhere(gateway: str, prefix: str, *, reached: bool) -> None:
    interface = {"address": "192.0.2.7", "prefix": prefix, "gateway": gateway}
    assert installation.reaches_its_gateway(interface) is reached


@pytest.mark.parametrize("place", ["/", "/boot", "[SWAP]"])
def test_the_disk_of_the_running_system_is_in_use(place: str) -> None:
    part = node("sda1", "part", mountpoints=[place])
    assert one(node("sda", serial="X", pttype="dos", children=[part]))["in_use"]
