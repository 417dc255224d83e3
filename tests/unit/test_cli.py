"""The command line as it is typed: help, errors and their exit codes, colour, completion."""

import errno
import os
import pty
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import click
import pytest

from orchestrator.cli import COMMANDS, cli, run
from orchestrator.environment import environment_names
from orchestrator.errors import (
    ConfigurationInvalid,
    Incomplete,
    Interrupted,
    Locked,
    PasInfraError,
    Problem,
)
from orchestrator.exit_codes import ExitCode
from orchestrator.paths import project_root

PROGRAM = [sys.executable, "-m", "orchestrator"]
# What takes long to import: help and completion must do without.
HEAVY = ("rich", "ansible", "ansible_runner", "jsonschema", "jinja2", "yaml", "pytest", "sqlite3")
# Fails where one of them has been imported; the exit code is that of the command.
TELL_TALE = f"""\
import sys
from orchestrator.cli import run
code = run(sys.argv[1:])
print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
PATIENCE = 0.5  # seconds of CPU: other work on the machine does not count


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and subcommand."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        yield (name,)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.list_commands(context))


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_fast(name: str) -> None:
    before = cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-c", TELL_TALE, *filter(None, [name]), "--help"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert cpu_seconds() - before < PATIENCE
    assert done.stderr == "\n", "imported for nothing but help"
    assert done.stdout.startswith("Usage: pas-infra")


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself_and_its_options(
    command: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, option]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(f"Usage: pas-infra {' '.join(command)} ")


def test_help_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    words = capsys.readouterr().out.split()
    assert set(COMMANDS) <= set(words)
    assert {str(int(code)) for code in ExitCode} <= set(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_bears_the_name_that_it_is_called_by(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["aply"], "No such command 'aply'"),
        (["plan", "--no-such-option"], "No such option"),
        (["lab", "upp"], "No such command 'upp'"),
        (["apply", "--confirm-timeout", "3"], "--confirm-timeout"),
        (["apply", "no-such-file"], "no-such-file"),
        (["plan", "--strategy", "free"], "--strategy"),
        (["history", "--limit", "0"], "--limit"),
        (["plan", "-o", "no-such-directory/plan"], "there is no directory"),
        (["verify", "--junit", "no-such-directory/junit.xml"], "there is no directory"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_an_error_on_stderr(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == ExitCode.ERROR
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def fail(_: object) -> object:
        raise error

    monkeypatch.setattr("orchestrator.environment.load_environment", fail)
    return run(["env", "show"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PasInfraError("it is broken", where="a.yml:3", next_step="mend it"), 1),
        (Locked("it is broken", where="a.yml:3", next_step="mend it"), 3),
        (Incomplete("it is broken", where="a.yml:3", next_step="mend it"), 4),
        (Interrupted("it is broken", where="a.yml:3", next_step="mend it"), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_says_what_where_and_what_next_and_has_its_exit_code(
    error: PasInfraError,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert failing(error, monkeypatch) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "error: it is broken",
        "  where: a.yml:3",
        "  next:  mend it",
    ]


def test_what_this_machine_refuses_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "plan.json")
    assert failing(full, monkeypatch) == ExitCode.ERROR
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "where: plan.json" in said


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="no file is named"):
        failing(OSError("no file is named"), monkeypatch)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), click.Abort()], ids=repr)
def test_ctrl_c(
    stop: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(stop, monkeypatch) == ExitCode.INTERRUPTED
    assert capsys.readouterr().out == ""


def test_every_problem_of_a_configuration_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [
        Problem(Path("hosts.yml"), 4, "no address", "give one"),
        Problem(Path("waivers.yml"), None, "nothing reads it", "rename it"),
    ]
    assert failing(ConfigurationInvalid(problems), monkeypatch) == ExitCode.CONFIGURATION
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "error: the configuration has 2 problems; nothing was run",
        "  hosts.yml:4: no address",
        "      → give one",
        "  waivers.yml: nothing reads it",
        "      → rename it",
    ]


@pytest.mark.parametrize("command", ["plan", "apply", "verify", "doctor", "history"])
def test_with_an_invalid_configuration_nothing_is_run_or_recorded(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "environment.yml").write_text("kind: labb\nfoo: 1\n")
    (broken / "hosts.yml").write_text("all:\n  hosts:\n    web1: {}\n")
    assert run([command, "--env", str(broken)]) == ExitCode.CONFIGURATION
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{broken}/environment.yml:1: " in said.err
    assert f"{broken}/hosts.yml:3: " in said.err
    assert not (tmp_path / "state").exists()


def on_a_terminal(arguments: list[str], **variables: str) -> str:
    """What a person's terminal is sent."""
    primary, secondary = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdin=secondary, stdout=secondary, stderr=secondary,
        env={**environment, "TERM": "xterm-256color", **variables}, cwd=project_root(),
    )  # fmt: skip
    os.close(secondary)
    sent = b""
    while True:
        try:
            part = os.read(primary, 65536)
        except OSError:  # Linux says so when the last process has closed its side
            break
        if not part:
            break
        sent += part
    os.close(primary)
    process.wait()
    return sent.decode()


@pytest.mark.parametrize(
    "arguments",
    [["env", "list"], ["env", "show", "no-such-environment"], ["measures", "6.2.1"]],
    ids=" ".join,
)
def test_no_color_means_no_escape_code(arguments: list[str]) -> None:
    assert "\x1b[" in on_a_terminal(arguments), "there was no colour to leave out"
    assert "\x1b" not in on_a_terminal(arguments, NO_COLOR="1")


def test_off_a_terminal_there_is_no_escape_code() -> None:
    done = subprocess.run(
        [*PROGRAM, "env", "list"], capture_output=True, check=True, cwd=project_root()
    )
    assert b"\x1b" not in done.stdout + done.stderr


def completed(shell: str, words: str, position: int) -> list[str]:
    """What the shell is told when TAB is pressed after the words."""
    variables: Mapping[str, str] = {
        "_PAS_INFRA_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        # fish hands over the word that is being typed, the others its position.
        "COMP_CWORD": words.rpartition(" ")[2] if shell == "fish" else str(position),
    }
    done = subprocess.run(
        PROGRAM, capture_output=True, check=False, text=True, cwd=project_root(),
        env={**os.environ, **variables},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("shell", "calls"),
    [
        ("bash", "complete -o nosort -F _pas_infra_completion pas-infra"),
        ("zsh", "compdef _pas_infra_completion pas-infra"),
        ("fish", "complete --no-files --command pas-infra"),
    ],
)
def test_a_completion_script_for_each_shell(shell: str, calls: str) -> None:
    done = subprocess.run(
        PROGRAM, capture_output=True, check=False, text=True,
        env={**os.environ, "_PAS_INFRA_COMPLETE": f"{shell}_source"},
    )  # fmt: skip
    assert calls in done.stdout
    assert f"_PAS_INFRA_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_environments_are_completed(shell: str) -> None:
    said = " ".join(completed(shell, "pas-infra plan --env ", 3)).replace(",", " ").split()
    assert set(environment_names()) <= set(said)


def test_only_what_begins_so_is_offered() -> None:
    assert completed("bash", "pas-infra plan --env la", 3) == ["plain,lab"]
    assert completed("bash", "pas-infra hist", 1) == ["plain,history"]
    assert completed("bash", "pas-infra env show prod", 3) == ["plain,production"]
    assert completed("bash", "pas-infra plan --role tim", 3) == ["plain,time"]
    assert completed("bash", "pas-infra apply --limit rbx7,sys", 3) == ["plain,rbx7,sysfab"]
    assert completed("bash", "pas-infra verify --measure 6.2", 3) == ["plain,6.2.1"]
    assert completed("bash", "pas-infra lab ssh outs", 3) == ["plain,outsider"]


def test_every_command_is_offered() -> None:
    assert completed("bash", "pas-infra ", 1) == [f"plain,{name}" for name in COMMANDS]


def test_the_modules_of_the_commands_are_the_commands() -> None:
    helpers = {
        "__init__",
        "access_view",
        "backup_prune",
        "backup_sets",
        "backup_view",
        "drift_nightly",
        "drift_view",
        "inventory_view",
        "keys_view",
        "options",
        "progress",
        "register_view",
        "results",
        "status_view",
        "terminal",
    }
    modules = {path.stem for path in (project_root() / "orchestrator/cli").glob("*.py")}
    assert modules - helpers == set(chain(COMMANDS))
