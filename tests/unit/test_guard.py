"""The guard of a confirmed commit, on a directory of its own; only systemctl is not the real one.

What it does to a host, to units and to rules is proven on a host: tests/faults/test_guard.py.
"""

import json
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from host_programs import loaded

from orchestrator.paths import project_root

SOURCE = project_root() / "roles/confirmed_commit/files/guard.py"
# Writes down what it is asked for; answers `show` with what stands in a file, and fails where told.
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> "$RECORD"
case " $* " in *" $REFUSED "*) echo "refused: $*" >&2; exit 1;; esac
if [ "$1" = show ]; then cat "$UNIT"; fi
"""
ACTIVE = "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\n"
INACTIVE = "LoadState=loaded\nUnitFileState=disabled\nActiveState=inactive\n"


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = loaded(SOURCE)
    monkeypatch.setattr(module, "COMMITS", tmp_path / "commits")
    monkeypatch.setattr(module, "UNITS", tmp_path / "units")
    (tmp_path / "units").mkdir()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    (tmp_path / "unit").write_text(ACTIVE)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("UNIT", str(tmp_path / "unit"))
    monkeypatch.setenv("REFUSED", "nothing")
    return module


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    etc = tmp_path / "etc"
    (etc / "conf.d/deep").mkdir(parents=True)
    (etc / "main.conf").write_text("port 22\n")
    (etc / "conf.d/deep/one.conf").write_text("one\n")
    (etc / "conf.d/link").symlink_to("deep/one.conf")
    (etc / "main.conf").chmod(0o640)
    return etc


def request(etc: Path, **more: object) -> dict[str, Any]:
    paths = [str(etc / "main.conf"), str(etc / "conf.d"), str(etc / "absent.conf")]
    plain = {"name": "change", "paths": paths, "units": [], "ruleset": False, "timeout": 90,
             "guard": str(SOURCE)}  # fmt: skip
    return {**plain, **more}


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "record").read_text().splitlines()


def look(directory: Path) -> dict[str, tuple[int, str]]:
    """Every path below, with its mode and its content or target."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else
            path.read_text() if path.is_file() else "",
        )
        for path in sorted(directory.rglob("*"))
    }  # fmt: skip


# What is done to the files, in shell, and what the guard must have seen.
TAMPERINGS = {
    "content": ("echo port 2222 > main.conf", ["main.conf"]),
    "mode": ("chmod 0666 main.conf", ["main.conf"]),
    "mode of a directory": ("chmod 0700 conf.d", ["conf.d"]),
    "removed": ("rm main.conf", ["main.conf"]),
    "added": ("echo two > conf.d/two.conf", ["conf.d/two.conf"]),
    "added below": ("mkdir conf.d/new; touch conf.d/new/x", ["conf.d/new", "conf.d/new/x"]),
    "came into being": ("echo x > absent.conf", ["absent.conf"]),
    "a link for a file": ("rm main.conf; ln -s nowhere main.conf", ["main.conf"]),
    "another target": ("ln -sfn deep conf.d/link", ["conf.d/link"]),
    "a directory for a link": ("rm conf.d/link; mkdir conf.d/link", ["conf.d/link"]),
    "a whole tree": ("rm -r conf.d/deep", ["conf.d/deep", "conf.d/deep/one.conf"]),
    "nothing": ("true", []),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_everything_is_as_it_was(guard: ModuleType, etc: Path, tampering: str) -> None:
    commands, changed = TAMPERINGS[tampering]
    before = look(etc)
    guard.arm(request(etc))
    subprocess.run(["sh", "-e", "-c", commands], cwd=etc, check=True)
    assert guard.status("change") == {
        "armed": True, "changed": [str(etc / name) for name in changed]
    }  # fmt: skip
    answer = guard.restore("change", "timer")
    assert look(etc) == before
    assert answer["changed"] == [str(etc / name) for name in changed]
    assert (answer["armed"], answer["faults"]) == (False, [])


def test_what_stands_beside_is_left_alone(guard: ModuleType, etc: Path) -> None:
    (etc / "other.conf").write_text("other\n")
    guard.arm(request(etc))
    (etc / "other.conf").write_text("changed meanwhile\n")
    guard.restore("change", "failed")
    assert (etc / "other.conf").read_text() == "changed meanwhile\n"


def test_arming_leaves_a_timer_and_a_service_for_the_next_boot(
    guard: ModuleType, etc: Path, tmp_path: Path
) -> None:
    guard.arm(request(etc, timeout=33))
    stem = tmp_path / "units/pas-infra-rollback-change"
    assert "OnActiveSec=33s\n" in Path(f"{stem}.timer").read_text()
    script = tmp_path / "commits/change/guard.py"
    assert f"{script} restore change timer\n" in Path(f"{stem}.service").read_text()
    boot = Path(f"{stem}-boot.service").read_text()
    assert f"{script} restore change reboot\n" in boot
    assert "network-pre.target" in boot
    assert script.read_bytes() == SOURCE.read_bytes()
    links = [path for path in (tmp_path / "units").rglob("*") if path.is_symlink()]
    assert {path.parent.name for path in links} == {
        "timers.target.wants", "sysinit.target.wants"
    }  # fmt: skip
    assert all(path.resolve().is_file() for path in links)
    assert asked(tmp_path)[-2:] == ["daemon-reload", "start pas-infra-rollback-change.timer"]


def test_what_is_saved_is_for_root_alone(guard: ModuleType, etc: Path, tmp_path: Path) -> None:
    guard.arm(request(etc))
    assert (tmp_path / "commits").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "commits/change").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "commits/change/state.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("end", ["confirm", "restore"])
def test_nothing_is_left_of_a_commit_that_has_ended(
    guard: ModuleType, etc: Path, tmp_path: Path, end: str
) -> None:
    guard.arm(request(etc))
    guard.confirm("change") if end == "confirm" else guard.restore("change", "timer")
    assert [path for path in (tmp_path / "units").rglob("*") if not path.is_dir()] == []
    left = {path.name for path in (tmp_path / "commits").iterdir()}
    assert left == {"change.lock"} | ({"change.rolled-back.json"} if end == "restore" else set())
    assert "stop pas-infra-rollback-change.timer" in asked(tmp_path)


def test_a_confirmed_change_stays(guard: ModuleType, etc: Path) -> None:
    guard.arm(request(etc))
    (etc / "main.conf").write_text("new\n")
    assert guard.confirm("change") == {"armed": False, "changed": [str(etc / "main.conf")]}
    assert guard.restore("change", "timer") == {"armed": False, "changed": []}
    assert (etc / "main.conf").read_text() == "new\n"
    assert guard.status("change") == {"armed": False, "changed": [], "rolled_back": None}


def test_what_was_rolled_back_cannot_be_confirmed_and_says_why(
    guard: ModuleType, etc: Path
) -> None:
    guard.arm(request(etc))
    (etc / "main.conf").write_text("new\n")
    guard.restore("change", "timer")
    with pytest.raises(RuntimeError, match="not armed: it has been rolled back"):
        guard.confirm("change")
    record = guard.status("change")["rolled_back"]
    assert record["changed"] == [str(etc / "main.conf")]
    assert record["why"] == "it was not confirmed over a fresh connection in time"


def test_arming_again_restores_first_what_nobody_confirmed(guard: ModuleType, etc: Path) -> None:
    guard.arm(request(etc))
    (etc / "main.conf").write_text("unconfirmed\n")
    guard.arm(request(etc))
    assert (etc / "main.conf").read_text() == "port 22\n"
    (etc / "main.conf").write_text("second\n")
    guard.restore("change", "failed")
    assert (etc / "main.conf").read_text() == "port 22\n"


def test_two_commits_do_not_know_each_other(guard: ModuleType, etc: Path) -> None:
    guard.arm(request(etc, name="one", paths=[str(etc / "main.conf")]))
    guard.arm(request(etc, name="two", paths=[str(etc / "conf.d")]))
    (etc / "main.conf").write_text("new\n")
    guard.confirm("two")
    guard.restore("one", "failed")
    assert (etc / "main.conf").read_text() == "port 22\n"


@pytest.mark.parametrize("name", ["", "../x", "a-b", "A", "1a", "a b", "a\n", "a/b"])
def test_a_name_that_could_lead_elsewhere_is_refused(
    guard: ModuleType, etc: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(RuntimeError, match="cannot name a commit"):
        guard.arm(request(etc, name=name))
    assert not (tmp_path / "commits").exists()


@pytest.mark.parametrize(
    ("before", "reason", "expected"),
    [
        (ACTIVE, "timer", ["unmask --quiet x.service", "enable --quiet x.service",
                           "reset-failed x.service", "reload-or-restart x.service"]),
        (ACTIVE, "reboot", ["unmask --quiet x.service", "enable --quiet x.service",
                            "--no-block start x.service"]),
        (INACTIVE, "reboot", ["unmask --quiet x.service", "disable --quiet x.service",
                              "--no-block stop x.service"]),
        (INACTIVE.replace("disabled", "masked"), "timer", ["mask --quiet x.service"]),
        (INACTIVE.replace("disabled", "static"), "reboot", ["--no-block stop x.service"]),
    ],
)  # fmt: skip
def test_a_unit_is_brought_back(
    guard: ModuleType, etc: Path, tmp_path: Path, before: str, reason: str, expected: list[str]
) -> None:
    (tmp_path / "unit").write_text(before)
    guard.arm(request(etc, units=["x.service"]))
    (tmp_path / "record").unlink()
    guard.restore("change", reason)
    done = [line for line in asked(tmp_path) if "x.service" in line and "show" not in line]
    assert done == expected


def test_a_step_that_fails_is_told_keeps_none_from_its_work_and_is_tried_again(
    guard: ModuleType, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard.arm(request(etc, units=["x.service"]))
    (etc / "main.conf").write_text("new\n")
    monkeypatch.setenv("REFUSED", "enable")
    with pytest.raises(RuntimeError, match="refused: enable --quiet x"):
        guard.restore("change", "timer")
    assert (etc / "main.conf").read_text() == "port 22\n"
    assert guard.status("change")["armed"]
    monkeypatch.setenv("REFUSED", "nothing")
    assert guard.restore("change", "reboot")["faults"] == []
    assert not guard.status("change")["armed"]


def test_an_arming_that_fails_arms_nothing(
    guard: ModuleType, etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSED", "show")
    with pytest.raises(RuntimeError, match="refused: show"):
        guard.arm(request(etc, units=["x.service"]))
    assert not guard.status("change")["armed"]
    monkeypatch.setenv("REFUSED", "nothing")
    assert guard.arm(request(etc)) == {"armed": True, "timeout": 90}


FILE = [0o100000, 0o644, 0, 0, "hash", []]


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({}, {}, []),
        ({"files": {"/a": FILE}}, {"files": {"/a": FILE}}, []),
        ({"files": {"/a": FILE}}, {}, ["/a"]),
        ({}, {"files": {"/b": FILE, "/a": FILE}}, ["/a", "/b"]),
        ({"files": {"/a": FILE}}, {"files": {"/a": [*FILE[:4], "other", []]}}, ["/a"]),
        ({"units": {"x": {"ActiveState": "active"}}}, {"units": {"x": {"ActiveState": "failed"}}},
         ["x"]),
        ({"ruleset": "a"}, {"ruleset": "a"}, []),
        ({"ruleset": "a"}, {"ruleset": "b", "files": {"/a": FILE}}, ["/a", "nftables"]),
    ],
)  # fmt: skip
def test_differences(
    guard: ModuleType, before: dict[str, Any], after: dict[str, Any], changed: list[str]
) -> None:
    nothing: dict[str, Any] = {"files": {}, "units": {}, "ruleset": None}
    assert guard.differences({**nothing, **before}, {**nothing, **after}) == changed


def test_what_is_typed_is_answered_in_json(
    guard: ModuleType, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["arm", json.dumps(request(etc))], ["status", "change"],
                      ["restore", "change", "failed"], ["status", "change"]):  # fmt: skip
        guard.main(arguments)
    armed, status, restored, after = map(json.loads, capsys.readouterr().out.splitlines())
    assert (armed["armed"], status["armed"], restored["armed"]) == (True, True, False)
    assert after["rolled_back"]["why"] == "the run failed before it could be confirmed"


def test_at_a_boot_a_unit_that_is_not_started_yet_has_not_changed(guard: ModuleType) -> None:
    running = {"LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active"}
    waiting = {**running, "ActiveState": "inactive"}
    saved = {"files": {}, "units": {"ssh.service": running}, "ruleset": "table inet filter"}
    now = {"files": {}, "units": {"ssh.service": waiting}, "ruleset": ""}
    assert guard.differences(saved, now) == ["ssh.service", "nftables"]
    assert guard.differences(saved, guard.before_the_start(saved, now)) == []
    now = {**now, "units": {"ssh.service": {**waiting, "UnitFileState": "disabled"}}}
    assert guard.differences(saved, guard.before_the_start(saved, now)) == ["ssh.service"]
