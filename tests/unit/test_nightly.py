"""The night: what is told, to whom, what Prometheus reads, and the units that begin it."""

import json
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_environment import write_small

from orchestrator.cli import run
from orchestrator.drift.look import Drift
from orchestrator.drift.memory import Look
from orchestrator.environment import Environment, Nightly, load_environment
from orchestrator.errors import PasInfraError
from orchestrator.metrics import write_metrics
from orchestrator.nightly import (
    Message,
    Undelivered,
    deliver,
    failure_of,
    install,
    message_of,
    metrics_of,
    remove,
    units_of,
)
from orchestrator.nightly.metrics import last_success
from orchestrator.nightly.units import BEFORE
from orchestrator.records import HostDrift, Sighting
from orchestrator.store import Store

NOW = datetime(2026, 11, 26, 2, 30, tzinfo=UTC)
ACCOUNT = "backup"  # any that every Debian has
RBX7 = HostDrift("rbx7", complete=True, findings=2, new=1, pending=0, accepted=1, blind=3,
                 coverage=97.5, seconds=41.0)  # fmt: skip
SYSFAB = HostDrift("sysfab", complete=False, findings=0, new=0, pending=0, accepted=0, blind=9,
                   coverage=40.0, seconds=41.0,
                   why=("no answer over SSH\nmore of it",))  # fmt: skip
ROGUE = Sighting(
    identity="3f0a9c41d2b7", host="rbx7", kind="unmanaged", object_kind="file",
    name="/etc/rogue\x1b[2J", eye="collector", severity=3, measures=("5.5.2",),
    seen="+password = hunter2", role="ssh", checks=("test_ssh.py::test_root",),
    cause="corrective", because="nothing was changed on our side", new=True,
)  # fmt: skip
KNOWN = replace(ROGUE, identity="a" * 12, name="/etc/known", new=False)
ACCEPTED = replace(ROGUE, identity="b" * 12, name="/etc/accepted", accepted_until="2026-12-31")
DRIFT = Drift(13, (RBX7, SYSFAB), (ROGUE, KNOWN, ACCEPTED), {})


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return load_environment(write_small(tmp_path / "small"))


def test_what_is_new_is_told_and_no_content() -> None:
    told = message_of("production", DRIFT)
    assert told.subject == "[pas-infra production] INCOMPLETE"
    lines = told.text.splitlines()
    assert lines[0] == (
        "rbx7: DRIFT 2 (1 new) · pending 0 · accepted 1 · blind 3 · coverage 97 % · 41 s"
    )
    assert "  ? no answer over SSH" in lines
    assert any("rbx7: unmanaged file /etc/rogue" in line and "3f0a9c41d2b7" in line
               for line in lines)  # fmt: skip
    assert "1 more were known before" in told.text
    both = told.text + json.dumps(told.data)
    for hidden in ("hunter2", "\x1b", "/etc/known", "/etc/accepted", "more of it"):
        assert hidden not in both
    assert [one["identity"] for one in told.data["new"]] == ["3f0a9c41d2b7"]


@pytest.mark.parametrize(
    ("hosts", "state"),
    [((replace(RBX7, findings=0),), "OK"), ((RBX7,), "DRIFT"), ((), "INCOMPLETE")],
)
def test_the_subject_says_the_state(hosts: tuple[HostDrift, ...], state: str) -> None:
    assert message_of("x", Drift(1, hosts, (), {})).subject == f"[pas-infra x] {state}"


def test_a_night_in_which_nobody_looked_is_told_too() -> None:
    told = failure_of("x", PasInfraError("another run holds this environment", next_step="wait"))
    assert told.subject == "[pas-infra x] NOBODY LOOKED"
    assert told.text == "another run holds this environment\nwait\n"
    assert told.data["status"] == "failed"


# ── Metrics ────────────────────────────────────────────────────────────────────────────────────
def looked(hosts: tuple[HostDrift, ...], *, roles: list[str] | None = None) -> Look:
    run: Any = SimpleNamespace(
        options={"roles": roles or []}, started="", ended="2026-11-25T02:40:00+00:00"
    )
    return Look(run, hosts)


def test_a_success_is_a_look_that_saw_everything() -> None:
    whole = replace(SYSFAB, complete=True)
    assert last_success([], replace(DRIFT, hosts=(RBX7, whole)), NOW) == NOW
    before = datetime(2026, 11, 25, 2, 40, tzinfo=UTC)
    narrow, other = looked((RBX7, whole), roles=["ssh"]), looked((RBX7,))
    assert last_success([narrow, other, looked((RBX7, whole))], DRIFT, NOW) == before
    assert last_success([narrow, other, looked((RBX7, SYSFAB))], DRIFT, NOW) is None
    assert last_success([looked((RBX7, whole))], Drift(1, (), (), {}), NOW) is None


def test_metrics_are_read_by_prometheus(environment: Environment, tmp_path: Path) -> None:
    with Store.open(environment.store_directory, environment.name) as store:
        text = metrics_of("production", replace(DRIFT, hosts=(RBX7,)), store, NOW)
    lines = text.splitlines()
    for line in (
        'pas_infra_drift_findings{environment="production",host="rbx7"} 2',
        'pas_infra_drift_complete{environment="production",host="rbx7"} 1',
        'pas_infra_drift_coverage_percent{environment="production",host="rbx7"} 97.5',
        'pas_infra_drift_last_success_timestamp_seconds{environment="production"} 1795660200',
        "# TYPE pas_infra_drift_findings gauge",
    ):
        assert line in lines
    assert text.endswith("\n")
    file = tmp_path / "pas-infra.prom"
    write_metrics(text, file)
    write_metrics(text, file)
    assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.glob("*.prom*")] == ["pas-infra.prom"]
    with pytest.raises(PasInfraError, match="this machine refused"):
        write_metrics(text, tmp_path / "nowhere/pas-infra.prom")


# ── Delivery ───────────────────────────────────────────────────────────────────────────────────
MESSAGE = Message("[pas-infra x] OK", "rbx7: OK · été\n", {"status": "ok"})


class Relay:
    """A mail server on the loopback that takes one mail, or refuses it."""

    def __init__(self, refuses: str = "") -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.got = b""
        self.refuses = refuses
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        connection, _ = self.listening.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 here\r\n")
            for line in iter(stream.readline, b""):
                word = line[:4].upper()
                if word == b"DATA":
                    stream.write(b"354 go on\r\n")
                    while (text := stream.readline()) != b".\r\n":
                        self.got += text
                answer = b"250 fine"
                if self.refuses and word == b"RCPT":
                    answer = f"550 {self.refuses}".encode()
                stream.write(b"221 bye\r\n" if word == b"QUIT" else answer + b"\r\n")
                if word == b"QUIT":
                    return


def test_a_mail_is_delivered() -> None:
    relay = Relay()
    to = Nightly(mail_to=("a@x.test", "b@x.test"), mail_from="c@x.test",
                 relay=f"127.0.0.1:{relay.port}")  # fmt: skip
    assert deliver(MESSAGE, to) == []
    relay.thread.join(10)
    mail = message_from_bytes(relay.got, policy=policy.default)
    assert (mail["Subject"], mail["To"]) == (MESSAGE.subject, "a@x.test, b@x.test")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == MESSAGE.text


def test_whom_it_did_not_reach_is_said(tmp_path: Path) -> None:
    relay = Relay(refuses="no such person")
    wrong = tmp_path / "webhook"
    wrong.write_text("http://clear.test/secret")
    to = Nightly(mail_to=("a@x.test",), relay=f"127.0.0.1:{relay.port}", webhook_file=wrong)
    mail, hook = deliver(MESSAGE, to)
    assert mail.to == "a@x.test"
    assert "no such person" in mail.why
    assert hook.why == "there is no https:// address in it"
    (nobody,) = deliver(MESSAGE, Nightly(mail_to=("a@x.test",), relay="127.0.0.1:1"))
    assert nobody.why == "Connection refused"
    (absent,) = deliver(MESSAGE, Nightly(webhook_file=tmp_path / "absent"))
    assert absent.why == "No such file or directory"
    assert deliver(MESSAGE, Nightly()) == []


def test_mail_leaves_this_machine_over_tls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    relay = Relay()
    monkeypatch.setattr("orchestrator.nightly.delivery._HERE", ())
    to = Nightly(mail_to=("a@x.test",), relay=f"127.0.0.1:{relay.port}")
    (missed,) = deliver(MESSAGE, to)
    assert "STARTTLS" in missed.why
    assert relay.got == b""


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Any]:
    """An HTTPS server on the loopback; its certificate is one that nobody knows."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield SimpleNamespace(port=server.server_address[1], certificate=certificate, got=got)
    server.shutdown()
    server.server_close()


def test_a_webhook_gets_the_same_as_data(
    hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "webhook"
    file.write_text(f"https://localhost:{hook.port}/secret\n")
    (stranger,) = deliver(MESSAGE, Nightly(webhook_file=file))
    assert "certificate verify failed" in stranger.why
    assert "secret" not in stranger.to + stranger.why
    monkeypatch.setenv("SSL_CERT_FILE", str(hook.certificate))
    assert deliver(MESSAGE, Nightly(webhook_file=file)) == []
    assert hook.got == [{"subject": MESSAGE.subject, "text": MESSAGE.text, "status": "ok"}]
    file.write_text(f"https://localhost:{hook.port}/broken\n")
    (broken,) = deliver(MESSAGE, Nightly(webhook_file=file))
    assert "500" in broken.why


# ── Units ──────────────────────────────────────────────────────────────────────────────────────
def test_systemd_takes_the_units(environment: Environment, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics/pas-infra.prom"
    units = units_of(replace(environment, nightly=Nightly(account=ACCOUNT, metrics=metrics)))
    assert f"User={ACCOUNT}" in units.service
    assert str(metrics.parent) in units.service
    assert str(environment.store_directory) in units.service
    for name, content in units.files.items():
        (tmp_path / name).write_text(content)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    program = next(line for line in units.service.splitlines() if line.startswith("ExecStart="))
    assert os.access(program.split('"')[1], os.X_OK)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / name for name in units.files)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "pas-infra-drift" not in done.stderr


def test_what_the_service_calls_are_commands_of_ours(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    units = units_of(replace(environment, nightly=Nightly(account=ACCOUNT)))
    called = [
        shlex.split(line.partition("=")[2].lstrip("-"))[1:]
        for line in units.service.splitlines()
        if line.startswith("ExecStart")
    ]
    assert len(called) == len(BEFORE) + 1
    for words in called:
        assert run([*words, "--help"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("at", ["02:30", "Mon..Fri *-*-* 03:00:00"])
def test_the_calendar_is_what_is_declared(environment: Environment, at: str) -> None:
    units = units_of(replace(environment, nightly=Nightly(at=at, account=ACCOUNT)))
    assert f"OnCalendar={at}\n" in units.timer


def test_an_account_that_is_not_there_is_named(environment: Environment) -> None:
    with pytest.raises(PasInfraError, match="this machine has no account `pas-infra`"):
        units_of(environment)


def test_it_is_installed_once_and_removed(environment: Environment, tmp_path: Path) -> None:
    units = units_of(replace(environment, nightly=Nightly(account=ACCOUNT)))
    said: list[Sequence[str]] = []
    place = tmp_path / "units"
    place.mkdir()
    assert install(units, said.append, place)
    assert sorted(one.name for one in place.iterdir()) == sorted(units.files)
    assert not install(units, said.append, place)
    assert [one[1] for one in said] == ["daemon-reload", "enable", "enable"]
    (place / f"{units.name}.timer").write_text("[Timer]")
    assert install(units, said.append, place)
    assert remove(units.name, said.append, place)
    assert not remove(units.name, said.append, place)
    assert list(place.iterdir()) == []
    with pytest.raises(PasInfraError, match="this machine refused"):
        install(units, said.append, tmp_path / "nowhere")


# ── The commands ───────────────────────────────────────────────────────────────────────────────
def test_whoever_could_not_look_tells_it(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Message] = []

    def keeps(message: Message, _: Nightly) -> list[Any]:
        told.append(message)
        return []

    def fails(*_: object, **__: object) -> None:
        raise PasInfraError("the store cannot be used")

    monkeypatch.setattr("orchestrator.nightly.deliver", keeps)
    monkeypatch.setattr("orchestrator.drift.look.look", fails)
    assert run(["drift", "nightly", "--env", str(environment.directory)]) == 1
    assert [one.subject for one in told] == [f"[pas-infra {environment.name}] NOBODY LOOKED"]


def test_whoever_was_not_reached_makes_a_night_incomplete(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = Drift(1, (replace(RBX7, findings=0, new=0),), (), {})
    missed: list[Any] = []
    monkeypatch.setattr("orchestrator.nightly.deliver", lambda *_: missed)
    monkeypatch.setattr("orchestrator.drift.look.look", lambda *_, **__: quiet)
    night = ["drift", "nightly", "--env", str(environment.directory)]
    assert run(night) == 0
    missed.append(Undelivered("a@x.test", "Connection refused"))
    assert run(night) == 4
    assert "a@x.test was not reached: Connection refused" in capsys.readouterr().err


def test_units_are_shown_before_they_are_installed(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = environment.directory / "environment.yml"
    declared.write_text(f"{declared.read_text()}nightly: {{account: {ACCOUNT}, at: '03:15'}}\n")
    assert run(["drift", "schedule", "--show", "--env", str(environment.directory)]) == 0
    assert "OnCalendar=03:15" in capsys.readouterr().out
