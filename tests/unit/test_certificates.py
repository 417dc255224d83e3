"""What a host says of its certificates: recorded in form, made on the spot; expected faults."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from small_environment import write_small

from orchestrator.certificates.live import Certificate, CertificateList, read_certificates
from orchestrator.certificates.memory import last_seen, remember
from orchestrator.certificates.metrics import as_metrics
from orchestrator.cli import run
from orchestrator.environment import load_environment
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
WARN = timedelta(days=21)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def strong() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def pem(
    subject: str = "web", issuer: str = "authority", days: int = 90, starts: int = -1,
    key: Key | None = None, *, authority: bool = False,
) -> str:  # fmt: skip
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    made = key or strong()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(made.public_key())
        .serial_number(255)
        .not_valid_before(NOW + timedelta(days=starts))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(f"{subject}.example")]), critical=False
        )
        .sign(made, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def read(*blocks: str, listeners: list[dict[str, Any]] | None = None) -> list[Certificate]:
    file = {"path": "/etc/web.pem", "pem": list(blocks), "named_in": ["/etc/nginx/web.conf"]}
    return read_certificates("web1", {"files": [file], "listeners": listeners or []}, NOW, WARN)


def test_a_certificate_is_told_whole() -> None:
    (found,) = read(pem())
    assert (found.host, found.place, found.subject, found.issuer, found.serial) == (
        "web1", "/etc/web.pem", "CN=web", "CN=authority", "ff"
    )  # fmt: skip
    assert (found.names, found.key, found.authority) == (("web.example",), "EC 256", False)
    assert found.used_by == ("/etc/nginx/web.conf",)
    assert found.faults == ()


@pytest.mark.parametrize(
    ("blocks", "faults"),
    [
        pytest.param([{"days": 0}], ("it ended on 2026-03-15",), id="ended"),
        pytest.param([{"days": 20}], ("it ends on 2026-04-04",), id="ends soon"),
        pytest.param([{"days": 22}], (), id="ends, but not soon"),
        pytest.param([{"starts": 1}], ("it is valid from 2026-03-16 only",), id="not yet"),
        pytest.param(
            [{"subject": "web", "issuer": "middle"}, {"subject": "middle", "authority": True}],
            (),
            id="a chain in order",
        ),
        pytest.param(
            [{"subject": "web", "issuer": "middle"}, {"subject": "other", "authority": True}],
            ("its chain is not in order",),
            id="a chain that is none",
        ),
        pytest.param(
            [
                {"subject": "web", "issuer": "middle"},
                {"subject": "middle", "authority": True, "days": 0},
            ],
            ("behind it, CN=middle ended on 2026-03-15",),
            id="an intermediate that has ended",
        ),
        pytest.param(
            [{"subject": "one", "authority": True}, {"subject": "two", "authority": True}],
            (),
            id="a list of authorities",
        ),
    ],
)
def test_what_is_wrong_is_said(blocks: list[dict[str, Any]], faults: tuple[str, ...]) -> None:
    assert read(*(pem(**block) for block in blocks))[0].faults == faults


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), ("it has a weak key: RSA 2048",)),
        (lambda: rsa.generate_private_key(65537, 3072), ()),
        (lambda: ec.generate_private_key(ec.SECP224R1()), ("it has a weak key: EC 224",)),
    ],
)
def test_a_weak_key_is_said(key: Any, fault: tuple[str, ...]) -> None:
    assert read(pem(key=key()))[0].faults == fault


def test_a_listener_is_a_place_and_says_who_uses_the_file() -> None:
    shown = pem()
    found = read(shown, listeners=[{"port": 443, "pem": [shown], "user": "nginx.service"}])
    assert [(one.place, one.used_by) for one in found] == [
        ("tcp 443", ("nginx.service",)),
        ("/etc/web.pem", ("nginx.service", "/etc/nginx/web.conf")),
    ]


def test_a_file_that_is_none_hides_no_other() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    files = [
        {"path": "/etc/a\x1b[2J.pem", "pem": [broken], "named_in": []},
        {"path": "/etc/b.pem", "pem": [pem()], "named_in": []},
    ]
    found = read_certificates("web1", {"files": files, "listeners": []}, NOW, WARN)
    assert found[0].place == "/etc/a�[2J.pem"
    assert found[0].faults[0].startswith("it cannot be read: ")
    assert found[1].faults == ()


@pytest.mark.parametrize("blocks", [["garbage"], [], 3, None])
def test_a_listener_that_shows_nonsense_hides_no_other(blocks: Any) -> None:
    strange = {"port": 443, "pem": blocks, "user": "web.service"}
    found = read(pem(), listeners=[strange])
    assert found[0].faults[0].startswith("it cannot be read: ")
    assert found[1].faults == ()


@pytest.mark.parametrize("answer", ["{}", "[]", '{"files": [{}], "listeners": []}'])
def test_what_is_no_answer_is_refused(answer: str) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        read_certificates("web1", json.loads(answer), NOW, WARN)


def test_the_exit_code_is_the_worst() -> None:
    good, bad = tuple(read(pem())), tuple(read(pem(days=0)))
    assert CertificateList(good, {}).exit_code == ExitCode.OK
    assert CertificateList(good + bad, {}).exit_code == ExitCode.FINDINGS
    assert CertificateList(bad, {"web2": "no answer"}).exit_code == ExitCode.INCOMPLETE


def test_metrics_say_when_each_ends_and_who_was_not_asked() -> None:
    (found,) = read(pem(subject='we"b', days=1))
    said = as_metrics(CertificateList((found, found), {"web2": "no answer"})).splitlines()
    labels = 'host="web1",place="/etc/web.pem",subject="CN=we\\\\\\"b"'
    end = (NOW + timedelta(days=1)).timestamp()
    assert [line for line in said if not line.startswith("#")] == [
        f"pas_certificate_not_after_seconds{{{labels}}} {end:.0f}",
        'pas_certificate_host_up{host="web1"} 1',
        'pas_certificate_host_up{host="web2"} 0',
    ]


def test_what_was_seen_is_remembered_by_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    environment = load_environment(write_small(tmp_path / "small"))
    assert last_seen(environment) == {}
    (first,) = read(pem())
    remember(environment, CertificateList((first,), {"web2": "no answer"}), ["web1", "web2"], NOW)
    later = NOW + timedelta(days=1)
    remember(environment, CertificateList((), {"web1": "no answer"}), ["web1", "web2"], later)
    seen = last_seen(environment)
    assert {host: one.at for host, one in seen.items()} == {"web1": NOW, "web2": later}
    (kept,) = seen["web1"].certificates
    assert (kept.place, kept.subject, kept.ends, kept.faults) == (
        first.place, first.subject, first.ends, first.faults,
    )  # fmt: skip
    assert seen["web2"].certificates == ()
    file = environment.store_directory / "certificates.json"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    ["nonsense", "[]", '{"web1": {}}', '{"web1": {"at": "2026-03-15", "certificates": []}}'],
)
def test_a_list_that_is_none_is_not_believed(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    environment = load_environment(write_small(tmp_path / "small"))
    remember(environment, CertificateList((), {}), ["web1"], NOW)
    (environment.store_directory / "certificates.json").write_text(content)
    with pytest.raises(PasInfraError, match="no list of certificates"):
        last_seen(environment)


def test_the_command_remembers_what_it_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the way to the hosts nothing is run here: tests/e2e does."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    directory, file = write_small(tmp_path / "small"), tmp_path / "certificates.prom"
    found = CertificateList(tuple(read(pem(days=9))), {"web2": "no answer"})
    monkeypatch.setattr("orchestrator.engine.connections", lambda *_: [])
    monkeypatch.setattr("orchestrator.certificates.live.list_certificates", lambda *_: found)
    code = run(["certs", "--env", str(directory), "--metrics", str(file), "--json"])
    assert code == ExitCode.INCOMPLETE
    assert json.loads(capsys.readouterr().out)["missing"] == {"web2": "no answer"}
    assert file.read_text() == as_metrics(found)
    assert set(last_seen(load_environment(directory))) == {"web1"}
