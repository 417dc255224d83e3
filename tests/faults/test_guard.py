"""The host's half of the confirmed commit, on a real host: what it saves, it restores exactly."""

import json
import shlex
from collections.abc import Iterator

import pytest
from rig import COMMITS, GUARD, LISTING, Rig

PLACE = "/srv/fault"
OUTSIDE = "/srv/outside"

# setfacl and setcap are not part of a minimal Debian; these are what they would write.
ATTRIBUTE = """\
import os, struct, sys
def entry(tag, permissions, who=0xFFFFFFFF):
    return struct.pack("<HHI", tag, permissions, who)
ENTRIES = [entry(1, 6), entry(2, 4, 1000), entry(4, 4), entry(16, 4), entry(32, 0)]
ACL = struct.pack("<I", 2) + b"".join(ENTRIES)
KINDS = {
    "acl": ("system.posix_acl_access", ACL),
    "default": ("system.posix_acl_default", ACL),
    "capability": ("security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)),
    "user": ("user.note", b"kept"),
}
for kind, path in zip(sys.argv[1::2], sys.argv[2::2]):
    os.setxattr(path, *KINDS[kind])
"""

SCENE = f"""
cat > /root/attribute.py <<'END'
{ATTRIBUTE}
END
cat > /root/listing.py <<'END'
{LISTING}
END
rm -rf {PLACE} {OUTSIDE}
mkdir -p {PLACE}/deep/empty {OUTSIDE}
cd {PLACE}
echo plain > plain; echo private > private; chmod 0640 private; chown 1000:1000 private
echo listed > listed; python3 /root/attribute.py acl listed
echo able > able; python3 /root/attribute.py capability able user able
mkdir inherit; echo child > inherit/child; python3 /root/attribute.py default inherit
echo below > deep/file; ln -s plain link; ln -s /nowhere dangling; chmod 2750 deep
touch -d 2020-02-02 plain private; mkfifo pipe; echo outside > {OUTSIDE}/file
printf 'x' > 'with space'
"""

CHANGES = {
    "content": "echo other > plain",
    "content in place": "printf X >> plain; touch -d 2020-02-02 plain",
    "mode": "chmod 0777 private deep",
    "owner": "chown 0:0 private; chown 1000 deep",
    "deleted file": "rm private 'with space'",
    "deleted directory": "rm -r deep inherit",
    "deleted place": f"cd /; rm -r {PLACE}",
    "new file": "echo new > new; echo new > deep/empty/new",
    "new directory": "mkdir -p new/below; echo x > new/below/file; ln -s / new/root",
    "link points elsewhere": f"ln -sfn {OUTSIDE}/file link",
    "link becomes a file": "rm link; echo file > link",
    "file becomes a link": f"rm plain; ln -s {OUTSIDE}/file plain",
    "file becomes a directory": "rm plain; mkdir plain; echo x > plain/file",
    "directory becomes a file": "rm -r deep; echo x > deep",
    "directory becomes a link": f"rm -r deep; ln -s {OUTSIDE} deep",
    "ACL gone": "cp listed x; rm listed; mv x listed",
    "ACL new": "python3 /root/attribute.py acl plain default deep acl private",
    "default ACL of the parent": "python3 /root/attribute.py default .; rm plain; echo > plain",
    "capability gone": "rm able; echo able > able",
    "attribute new": "python3 /root/attribute.py user plain user deep",
    "pipe": "rm pipe; echo x > pipe",
}  # fmt: skip


def arm(name: str, timeout: int, paths: list[str], units: tuple[str, ...] = ()) -> str:
    """The command that arms; the copied guard's path is what the module would hand over."""
    request = {
        "name": name, "paths": paths, "units": units, "ruleset": False,
        "timeout": timeout, "guard": GUARD,
    }  # fmt: skip
    return f"python3 {GUARD} arm {shlex.quote(json.dumps(request))}\n"


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_restores_exactly(rig: Rig, change: str) -> None:
    look = f"python3 /root/listing.py {PLACE} {OUTSIDE}\n"
    said = rig.root(
        f"{SCENE}\n{look}{arm('scene', 600, [PLACE])}cd {PLACE}; {change}; cd /\n{look}"
        f"python3 {GUARD} restore scene failed\n{look}"
    ).stdout
    before, _, changed, answer, after = (json.loads(line) for line in said.splitlines())
    assert changed != before, "the change changes nothing"
    assert after == before
    assert answer["faults"] == []
    unnamed = {
        path
        for path in before.keys() | changed.keys()
        # The time of a file's last change is restored, but no change by itself.
        if _but_time(before.get(path)) != _but_time(changed.get(path))
    } - set(answer["changed"])
    assert unnamed == set()
    assert rig.armed() == []


@pytest.fixture(autouse=True)
def nothing_armed(rig: Rig) -> Iterator[None]:
    """What a test that failed has left armed is no other test's fault."""
    yield
    left = {line.split("/")[-1] for line in rig.armed() if line.startswith(COMMITS)}
    for name in left:
        rig.root(f"python3 {GUARD} restore {name} failed", code=None)
    if left:
        rig.root(f"rm -rf {COMMITS}/* /etc/systemd/system/pas-infra-rollback*")


def _but_time(described: list[object] | None) -> list[object] | None:
    return described and [*described[:3], *described[4:]]


def test_a_path_that_was_not_there_is_gone_again(rig: Rig) -> None:
    there = "/srv/was-not-there"
    rig.root(
        f"rm -rf {there}\n{arm('absent', 600, [there])}mkdir -p {there}/below; "
        f"echo x > {there}/below/file\npython3 {GUARD} restore absent failed\ntest ! -e {there}"
    )
    assert rig.armed() == []


def test_one_step_that_fails_does_not_keep_the_others_from_it(rig: Rig) -> None:
    """A mount keeps a new directory busy; the operator's own file comes back all the same."""
    rig.root(f"{SCENE}\n{arm('stuck', 600, [PLACE])}")
    rig.root(f"mkdir {PLACE}/new; mount -t tmpfs tmpfs {PLACE}/new; echo broken > {PLACE}/plain")
    try:
        failed = rig.root(f"python3 {GUARD} restore stuck failed", code=None)
        assert failed.code != 0
        assert "busy" in failed.stderr
        assert rig.root(f"cat {PLACE}/plain").stdout == "plain\n"
        assert rig.armed() != [], "it stays armed, to be tried again"
    finally:
        rig.root(f"umount {PLACE}/new")
    rig.root(f"python3 {GUARD} restore stuck failed; test ! -e {PLACE}/new")
    assert rig.armed() == []


UNIT = "fault-example.service"
UNIT_STATES = {
    "enabled, running": "systemctl enable --now",
    "disabled, stopped": "systemctl disable --now",
    "disabled, running": "systemctl disable --now fault-example; systemctl start",
    "masked": "systemctl disable --now fault-example; systemctl mask",
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("enabled, running", "masked"),
        ("enabled, running", "disabled, stopped"),
        ("disabled, stopped", "enabled, running"),
        ("disabled, running", "disabled, stopped"),
        ("masked", "enabled, running"),
    ],
)
def test_restores_the_state_of_a_unit(rig: Rig, before: str, after: str) -> None:
    show = f"systemctl show -p UnitFileState,ActiveState,LoadState {UNIT} | tr '\\n' ' '; echo\n"
    unit = f"/usr/local/lib/systemd/system/{UNIT}"
    said = rig.root(
        f"mkdir -p $(dirname {unit}); systemctl -q unmask {UNIT} 2> /dev/null || :\n"
        f"printf '[Service]\\nExecStart=sleep 999\\n[Install]\\nWantedBy=multi-user.target\\n'"
        f" > {unit}; systemctl daemon-reload\n"
        f"exec 2> /dev/null\n{UNIT_STATES[before]} {UNIT}\n{show}"
        f"{arm('units', 600, [], (UNIT,))}systemctl -q unmask {UNIT}\n"
        f"{UNIT_STATES[after]} {UNIT}\n{show}python3 {GUARD} restore units failed\n{show}"
        f"systemctl -q unmask {UNIT}; systemctl -q disable --now {UNIT}"
    ).stdout
    was, _, changed, answer, restored = said.splitlines()
    assert changed != was
    assert restored == was
    assert json.loads(answer)["changed"] == [UNIT]


def test_time_limit_restores_by_itself(rig: Rig) -> None:
    said = rig.root(
        f"{SCENE}\n{arm('limit', 2, [PLACE])}echo other > {PLACE}/plain\n"
        f"for i in $(seq 100); do test -e {COMMITS}/limit.rolled-back.json && break; sleep 0.1;"
        f" done; sleep 0.5; cat {PLACE}/plain {COMMITS}/limit.rolled-back.json"
    ).stdout
    _, plain, record = said.splitlines()
    assert plain == "plain"
    assert json.loads(record)["changed"] == [f"{PLACE}/plain"]
    assert "not confirmed over a fresh connection in time" in record
    assert rig.armed() == []


def test_confirmed_is_kept_and_the_time_limit_does_nothing(rig: Rig) -> None:
    said = rig.root(
        f"{SCENE}\n{arm('kept', 2, [PLACE])}echo other > {PLACE}/plain\n"
        f"python3 {GUARD} confirm kept\nsleep 2.5; cat {PLACE}/plain; ls {COMMITS}"
    ).stdout
    assert said.splitlines()[2] == "other"
    assert "kept.rolled-back.json" not in said
    assert rig.armed() == []


def test_an_unconfirmed_commit_is_restored_before_the_next_is_armed(rig: Rig) -> None:
    said = rig.root(
        f"{SCENE}\n{arm('twice', 600, [PLACE])}echo first > {PLACE}/plain\n"
        f"{arm('twice', 600, [PLACE])}cat {PLACE}/plain\necho second > {PLACE}/plain\n"
        f"python3 {GUARD} restore twice failed\ncat {PLACE}/plain"
    ).stdout
    lines = said.splitlines()
    assert [lines[2], lines[-1]] == ["plain", "plain"]
    assert rig.armed() == []


def test_what_a_broken_arming_left_is_no_commit(rig: Rig) -> None:
    left = f"mkdir -p {COMMITS}/half.building; echo x > {COMMITS}/half.building/files.tar\n"
    rig.root(
        f"{SCENE}\n{left}python3 {GUARD} restore half failed\n"
        f"{arm('half', 600, [PLACE])}python3 {GUARD} confirm half"
    )
    assert rig.armed() == []


@pytest.mark.parametrize("winner", ["confirm", "restore", "whoever comes first"])
def test_confirmation_and_time_limit_at_the_same_moment(rig: Rig, winner: str) -> None:
    """One of them wins, the other sees it, and what is on the disk is the winner's."""

    def told(verb: str, out: str) -> str:
        run = f"python3 {GUARD} {verb} > {out}.out 2>&1"
        return f"{{ {run} && echo 0 > {out}.code || echo 1 > {out}.code; }}"

    confirm, restore = told("confirm race", "c"), told("restore race timer", "r")
    both = {
        "confirm": f"{confirm}; {restore}",
        "restore": f"{restore}; {confirm}",
        "whoever comes first": f"{confirm} & {restore} & wait",
    }[winner]
    rounds = 5 if "whoever" in winner else 1
    for _ in range(rounds):
        said = rig.root(
            f"{SCENE}\ncd /root; {arm('race', 600, [PLACE])}echo other > {PLACE}/plain\n{both}\n"
            f"cat c.code r.code {PLACE}/plain; ls {COMMITS}; cat c.out"
        ).stdout.splitlines()
        confirmed, restored, plain = said[1:4]
        assert restored == "0"
        record = "race.rolled-back.json" in said
        outcome = (confirmed == "0", plain, record)
        assert outcome in ((True, "other", False), (False, "plain", True)), said
        if rounds == 1:
            assert outcome[0] == (winner == "confirm")
        if not outcome[0]:
            assert "it has been rolled back" in said[-1]
        assert rig.armed() == []
