"""`pas-infra access` as it is typed, as far as no host is needed."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from small_environment import ENVIRONMENT, PLAIN
from small_environment import HOSTS_OF_ROLES as HOSTS
from test_access_edit import PEOPLE, SK_KEY_2, WAIVERS

from orchestrator.access.review import read_decisions
from orchestrator.cli import run
from orchestrator.errors import ConfigurationInvalid
from orchestrator.exit_codes import ExitCode

WEAK = Path(__file__).parent / "access/rsa-2048.pub"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An environment of two hosts that nothing can reach."""
    place = tmp_path / "small"
    place.mkdir()
    for name, text in {"environment": ENVIRONMENT, "hosts": HOSTS, "waivers": WAIVERS,
                       "people": PEOPLE}.items():  # fmt: skip
        (place / f"{name}.yml").write_text(text)
    return place


@pytest.fixture
def grant(directory: Path) -> Callable[..., int]:
    """Runs `access grant carl`, with one option after another changed."""
    key = directory.parent / "carl.pub"
    key.write_text(SK_KEY_2 + "\n")
    standard = {
        "--name": "Carl Example", "--right": "reader", "--key": str(key),
        "--second-factor": "fido2", "--place": "Oslo, NO", "--until": "2099-06-30",
    }  # fmt: skip

    def granted(*more: str, account: str = "carl", **changed: str) -> int:
        options = standard | {
            f"--{name.replace('_', '-')}": value for name, value in changed.items()
        }
        words = [word for option in options.items() for word in option]
        return run(["access", "grant", account, "--env", str(directory), *words, *more])

    return granted


def test_a_grant_is_shown_written_and_followed_by_the_next_step(
    directory: Path, grant: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert grant("--yes", "--host", "web1", "--email", "carl@example.org") == ExitCode.OK
    said = capsys.readouterr()
    assert said.out == ""
    assert "+  - account: carl" in said.err
    assert f"next:  pas-infra apply --env {directory} --role accounts --role ssh" in said.err
    text = (directory / "people.yml").read_text()
    assert "place: {city: Oslo, country: 'NO'}" in text
    assert "email: carl@example.org" in text
    assert run(["access", "revoke", "carl", "--env", str(directory), "--yes"]) == ExitCode.OK
    assert (directory / "people.yml").read_text() == PEOPLE


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"account": "anna"}, 1, "people.yml:8\n"),
        ({"account": "Carl"}, 5, "2 to 31 lower-case letters"),
        ({"right": "readr"}, 5, "did you mean `reader`?"),
        ({"until": "2020-01-01"}, 5, "the account carl ended on 2020-01-01"),
        ({"until": "2099-02-30"}, 1, "--until"),
        ({"place": "Oslo"}, 1, "--place"),
        ({"place": "Oslo, Norway"}, 5, "a two-letter ISO 3166 code"),
        ({"second_factor": "sms"}, 1, "--second-factor"),
        ({"key": "no-such-file"}, 1, "no-such-file"),
        ({"key": str(WEAK)}, 1, "rsa-2048.pub:1\n"),
        ({"key": str(WEAK)}, 1, "is an RSA key of 2048 bits, of which 3072 are asked for"),
    ],
)
def test_a_wrong_grant_is_refused(
    directory: Path, grant: Callable[..., int], changed: dict[str, str], code: int, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert grant("--yes", **changed) == code
    assert said in capsys.readouterr().err
    assert (directory / "people.yml").read_text() == PEOPLE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n", "is a private one"),
        (f"{PLAIN}\n{SK_KEY_2}\n", "several lines"),
        ("", "is no public key"),
        (PLAIN, "lies in no token"),
    ],
)
def test_a_wrong_key_is_refused_and_not_shown(
    directory: Path, grant: Callable[..., int], text: str, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    key = directory.parent / "key"
    key.write_text(text)
    assert grant("--yes", key=str(key)) != ExitCode.OK
    told = capsys.readouterr().err
    assert said in told
    assert "secret" not in told
    assert (directory / "people.yml").read_text() == PEOPLE


def test_a_key_that_is_somebodys_already_is_refused_with_both_lines(
    directory: Path, grant: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    key = directory.parent / "key"
    key.write_text(PLAIN)
    assert grant("--yes", key=str(key), second_factor="totp") == ExitCode.CONFIGURATION
    said = capsys.readouterr().err
    assert "of carl is ben's already (line 23)" in said
    assert "people.yml:31: " in said


@pytest.mark.parametrize(
    ("account", "operator", "code", "said"),
    [
        ("ben", "ben", 1, "people.yml:18\n"),
        ("ben", "ben", 1, "nobody revokes their own access"),
        ("anna", "carl", 5, "nobody would administer web1"),
        ("ben", "anna", 5, "probe belongs to `ben`"),
        ("probes", "anna", 1, "did you mean `probe`?"),
    ],
)
def test_a_wrong_revocation_is_refused(
    directory: Path, account: str, operator: str, code: int, said: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("orchestrator.operator.current_operator", lambda: operator)
    assert run(["access", "revoke", account, "--env", str(directory), "--yes"]) == code
    assert said in capsys.readouterr().err
    assert (directory / "people.yml").read_text() == PEOPLE


@pytest.mark.parametrize(("answer", "code"), [(False, 130), (True, 0)])
def test_without_yes_it_asks(
    directory: Path, grant: Callable[..., int], monkeypatch: pytest.MonkeyPatch, *, answer: bool,
    code: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(click, "confirm", lambda *_, **__: answer)
    assert grant() == code
    assert ((directory / "people.yml").read_text() == PEOPLE) != answer


def test_nobody_there_to_answer_is_a_no(
    directory: Path, grant: Callable[..., int], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def nobody(*_: object, **__: object) -> bool:
        raise click.Abort

    monkeypatch.setattr(click, "confirm", nobody)
    assert grant() == ExitCode.INTERRUPTED
    assert "give --yes" in capsys.readouterr().err
    assert (directory / "people.yml").read_text() == PEOPLE


def test_two_that_have_ended_are_revoked_one_after_the_other(directory: Path) -> None:
    file = directory / "people.yml"
    head, ben, tail = PEOPLE.replace("owner: ben", "owner: anna").rpartition("# Ben breaks")
    file.write_text(head + ben + tail.replace("until: 2099", "until: 2020"))
    assert file.read_text().count("2020") == 3
    for account in ("ben", "probe"):
        assert run(["access", "revoke", account, "--env", str(directory), "--yes"]) == ExitCode.OK
    assert run(["access", "revoke", "runner", "--env", str(directory)]) == ExitCode.CONFIGURATION


def test_the_password_alone_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["access", "password"]) == ExitCode.OK
    said = capsys.readouterr()
    assert len(said.out) == 20 + len("\n")
    assert "122 bits" in said.err
    assert said.out.strip() not in said.err
    assert run(["access", "password", "--words", "6"]) == ExitCode.OK
    assert capsys.readouterr().out.count("-") == 6
    assert run(["access", "password", "--length", "9"]) == ExitCode.ERROR
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("- {account: anna, decision: keep}\n", 1, "`remark` is missing"),
        ("- {account: anna, decision: kep, remark: x}\n", 1, "one of keep, change, revoke"),
        ("- {account: anna, decision: keep, remark: ''}\n", 1, "is empty"),
        ("anna: keep\n", 1, "must be a list"),
        ("[]\n", 1, "is empty"),
        ("- [\n", 2, "not valid YAML"),
    ],
)
def test_wrong_decisions_are_told_before_a_host_is_asked(
    directory: Path, text: str, line: int, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = directory.parent / "decisions.yml"
    file.write_text(text)
    with pytest.raises(ConfigurationInvalid) as caught:
        read_decisions(file)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert what in problem.what
    code = run(["access", "review", "--env", str(directory), "--decisions", str(file)])
    assert code == ExitCode.CONFIGURATION
    assert f"{file}:{line}: " in capsys.readouterr().err


def test_right_decisions_are_read(tmp_path: Path) -> None:
    file = tmp_path / "decisions.yml"
    file.write_text("- {account: anna, decision: change, remark: 'Until June: then revoke'}\n")
    (decision,) = read_decisions(file)
    assert (decision.account, decision.decision) == ("anna", "change")


def test_hosts_that_do_not_answer_are_named_and_no_review_is_written(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(directory.parent / "state"))
    # Nothing listens there, and nothing else is asked: it is this machine's own discard port.
    hosts = HOSTS.replace("192.0.2.1}", "127.0.0.1, ansible_port: 9}")
    (directory / "hosts.yml").write_text(hosts.replace("192.0.2.2}", "127.0.0.2, ansible_port: 9}"))
    decisions = directory.parent / "decisions.yml"
    decisions.write_text("- {account: anna, decision: keep, remark: x}\n")
    code = run(["access", "review", "--env", str(directory), "--decisions", str(decisions)])
    assert code == ExitCode.INCOMPLETE
    said = capsys.readouterr().err
    assert "web2: nothing can be said: no answer over SSH: " in said
    assert "nothing is known of web1, web2" in said
    assert not (directory / "registers").exists()
