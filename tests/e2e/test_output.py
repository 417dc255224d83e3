"""What scripts and people get: data on stdout alone, colours on a terminal alone."""

import os
import pty
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from e2e.bench import LAB, PROGRAMS, Bench
from orchestrator.paths import project_root

NARROW = ("--role", "time", "--limit", "bastion")
# Of https://no-color.org: colours; bold and moves of the cursor are none.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
DIFF = "--- /etc/"


@pytest.fixture(scope="module")
def changed(bench: Bench) -> Bench:
    """Something to plan and to find on the bastion."""
    bench.make_hardened()
    bench.hosts = None
    zone = "ln -sf /usr/share/zoneinfo/CET /etc/localtime"
    bench.on("bastion", f"echo >> /etc/chrony/pas-infra.conf; {zone}")
    return bench


@pytest.mark.parametrize(
    ("arguments", "code", "keys"),
    [
        (("plan", *NARROW), 2, {"environment", "changes", "status"}),
        (("verify", *NARROW), 2, {"measures", "checks", "missing"}),
        (("history",), 0, None),
        (("history", "1"), 0, {"command", "status", "results"}),
        (("measures",), 0, {"measures"}),
        (("measures", "6.2.1"), 0, {"measures"}),
        (("env", "list"), 0, None),
        (("env", "show"), 0, {"name", "hosts"}),
        (("lab", "status", "--name", LAB), 0, None),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_json_is_all_that_stdout_holds(
    changed: Bench, arguments: tuple[str, ...], code: int, keys: set[str] | None
) -> None:
    data = changed.pas_infra(*arguments, "--json", code=code).json
    assert data
    assert isinstance(data, list) if keys is None else keys <= set(data)


def test_an_apply_as_json(changed: Bench) -> None:
    data = changed.pas_infra("apply", "--yes", "--json", *NARROW, code=0).json
    assert {change["host"] for change in data["changed"]} == {"bastion"}
    assert data["changed"] == [
        {**change, "status": "changed", "role": "time"} for change in data["changed"]
    ]
    assert data["verification"]["missing"] == {}


def on_a_terminal(bench: Bench, *arguments: str, **more: str) -> tuple[int, str]:
    """Run pas-infra on a terminal of its own; returns its code and all that it showed."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [PROGRAMS / "pas-infra", *arguments],
        env={**bench.environment, "TERM": "xterm-256color", **more},
        cwd=project_root(),
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the other end is closed: it has ended
        pass
    os.close(ours)
    return process.wait(), shown.decode()


@pytest.fixture
def one_change(changed: Bench) -> Bench:
    changed.on("bastion", "echo >> /etc/chrony/pas-infra.conf")
    return changed


def test_a_terminal_gets_colours_and_progress(one_change: Bench) -> None:
    code, shown = on_a_terminal(one_change, "plan", *NARROW)
    assert code == 2
    assert COLOUR.search(shown)
    assert re.search(r"plan +\d+ s", shown)


@pytest.mark.parametrize("arguments", [("plan", *NARROW), ("plan", "--role", "nope"), ("history",)])
def test_no_color_is_heeded(one_change: Bench, arguments: tuple[str, ...]) -> None:
    _, shown = on_a_terminal(one_change, *arguments, NO_COLOR="1")
    assert shown
    assert not COLOUR.search(shown), shown


@pytest.mark.parametrize("arguments", [("plan", *NARROW), ("plan", "--role", "nope"), ("history",)])
def test_a_pipe_gets_no_escape_codes(one_change: Bench, arguments: tuple[str, ...]) -> None:
    done = one_change.pas_infra(*arguments)
    assert "\x1b" not in done.stdout + done.stderr


def test_an_apply_that_nobody_approves_changes_nothing(one_change: Bench) -> None:
    before = one_change.on("bastion", "sha256sum /etc/chrony/pas-infra.conf")
    for answer in ("", "n\n"):
        run_id = one_change.next_run()
        done = one_change.run("pas-infra", "apply", *NARROW, stdin=answer).expect(130)
        assert DIFF in done.stderr
        assert one_change.run_of(run_id)["status"] == "interrupted"
    assert one_change.on("bastion", "sha256sum /etc/chrony/pas-infra.conf") == before


@pytest.mark.parametrize(
    ("narrow", "hosts", "measures", "files"),
    [
        (("--limit", "rbx7,bastion", "--role", "time"), {"rbx7", "bastion"}, {"8.1.1"}, {"time"}),
        (
            ("--limit", "rbx7", "--measure", "5.5.2"),
            {"rbx7"},
            {"5.5.2"},
            {"accounts_passwords", "ssh"},
        ),
    ],
)
def test_what_is_narrowed_stays_narrow(
    changed: Bench, narrow: tuple[str, ...], hosts: set[str], measures: set[str], files: set[str]
) -> None:
    checks = changed.pas_infra("verify", *narrow, "--json").json["checks"]
    assert {check["host"] for check in checks} == hosts
    assert all(measures & set(check["measures"]) for check in checks)
    assert {check["check"].split(".py")[0].removeprefix("test_") for check in checks} == files


@pytest.mark.full
def test_a_plan_of_one_role_leaves_the_others_alone(changed: Bench) -> None:
    changed.on("bastion", "rm -f /etc/ssh/banner; echo >> /etc/chrony/pas-infra.conf")

    def roles(*narrow: str) -> set[tuple[str, str]]:
        data = changed.pas_infra("plan", *narrow, "--json", code=2).json
        return {(change["host"], change["role"]) for change in data["changes"]}

    assert roles("--limit", "bastion") == {("bastion", "time"), ("bastion", "ssh")}
    assert roles("--role", "ssh") == {("bastion", "ssh")}
    assert roles("--measure", "8.1.1") == {("bastion", "time")}
    changed.pas_infra("plan", "--limit", "rbx7", "--role", "ssh", "--role", "time", code=0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--limit", "nowhere"), ("no host or group nowhere", "rbx7, sysfab, bastion")),
        (("--role", "nothing"), ("no role `nothing`", "time")),
        (("--measure", "6.2.9"), ("no measure 6.2.9", "6.2.1")),
    ],
)
@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("verify",)], ids=" ".join)
def test_what_is_unknown_is_refused_with_what_is_known(
    bench: Bench, command: tuple[str, ...], arguments: tuple[str, str], said: tuple[str, str]
) -> None:
    done = bench.pas_infra(*command, *arguments, code=1)
    assert done.stdout == ""
    assert all(words in done.stderr for words in said), done.stderr


def test_junit_says_the_same_as_json(changed: Bench, tmp_path: Path) -> None:
    file = tmp_path / "verify.xml"
    data = changed.pas_infra("verify", *NARROW, "--json", "--junit", file).json
    cases = list(ElementTree.parse(file).iter("testcase"))  # noqa: S314 - our own
    assert len(cases) == len(data["checks"])
    assert failures(cases) == sum(check["verdict"] == "fails" for check in data["checks"])


def failures(cases: list[ElementTree.Element]) -> int:
    return sum(case.find("failure") is not None for case in cases)
