"""Role pki: what the authorities on the control node sign, and when they sign anew."""

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

FILE = Path(__file__).parents[2] / "roles/pki/files/authority.py"
SPECIFICATION = importlib.util.spec_from_file_location("pki_authority", FILE)
assert SPECIFICATION is not None
assert SPECIFICATION.loader is not None
pki: Any = importlib.util.module_from_spec(SPECIFICATION)
sys.modules["pki_authority"] = pki  # dataclasses look their module up
SPECIFICATION.loader.exec_module(pki)

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)
PASSPHRASE = b"twenty characters at least"


def wanted(**changed: Any) -> Any:
    plain = {"host": "rbx7", "name": "logs", "usage": "logs", "names": ("rbx7", "192.0.2.11"),
             "days": 90, "renew": 30}  # fmt: skip
    return pki.Wanted(**(plain | changed))


def request(key: ec.EllipticCurvePrivateKey | None = None) -> str:
    made = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    # What a host asks for beyond its key counts for nothing.
    asked = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return asked.sign(made, hashes.SHA256()).public_bytes(pki.PEM).decode()


def authority(directory: Path, usage: str = "logs", **options: Any) -> Any:
    return pki.open_authority(directory, usage, PASSPHRASE, "Exemple", NOW, **options)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_an_authority_is_made_once_and_opened_again(tmp_path: Path) -> None:
    made, again = authority(tmp_path), authority(tmp_path)
    assert again.certificate == made.certificate
    assert (tmp_path / "logs.key").stat().st_mode & 0o777 == 0o600
    assert "ENCRYPTED PRIVATE KEY" in (tmp_path / "logs.key").read_text()
    with pytest.raises(ValueError, match="not encrypted with `pki_authority_passphrase`"):
        pki.open_authority(tmp_path, "logs", b"another", "Exemple", NOW)


def test_a_plan_leaves_nothing(tmp_path: Path) -> None:
    made = authority(tmp_path, keep=True)
    pki.revocation_list(tmp_path / "logs.crl.pem", made, [], NOW, keep=True)
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_says_what_was_declared_and_not_what_was_asked(tmp_path: Path) -> None:
    found = pki.issue(authority(tmp_path), request(), wanted(), NOW)
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["rbx7", "192.0.2.11"]
    assert found.not_valid_after_utc == NOW + timedelta(days=90)
    assert found.not_valid_before_utc < NOW


@pytest.mark.parametrize(
    ("usage", "purposes"),
    [
        ("logs", [Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH]),
        ("ipsec", [Purpose.IPSEC_IKE]),
    ],
)
def test_a_certificate_is_good_for_its_usage(
    tmp_path: Path, usage: str, purposes: list[x509.ObjectIdentifier]
) -> None:
    found = pki.issue(authority(tmp_path, usage), request(), wanted(usage=usage), NOW)
    extension = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(extension.value) == purposes


@pytest.mark.parametrize(
    ("days_later", "changed", "why"),
    [
        pytest.param(0, {}, "", id="new"),
        pytest.param(59, {}, "", id="a month and a day before its end"),
        pytest.param(61, {}, "it ends on 2026-06-13", id="within the month"),
        pytest.param(0, {"names": ("rbx7",)}, "it has other names", id="a name less"),
    ],
)
def test_a_certificate_is_renewed_in_time(
    tmp_path: Path, days_later: int, changed: dict[str, Any], why: str
) -> None:
    ours, csr = authority(tmp_path), request()
    there = pem(pki.issue(ours, csr, wanted(), NOW))
    later = NOW + timedelta(days=days_later)
    assert pki.why_renew(there, csr, wanted(**changed), ours, [], later) == why


def test_what_is_none_of_ours_is_replaced(tmp_path: Path) -> None:
    ours, csr = authority(tmp_path), request()
    found = pki.issue(ours, csr, wanted(), NOW)
    foreign = pem(pki.issue(authority(tmp_path, "backup"), csr, wanted(), NOW))
    serial = found.serial_number

    def why(there: str, csr: str, revoked: list[int]) -> str:
        said: str = pki.why_renew(there, csr, wanted(), ours, revoked, NOW)
        return said

    assert why("", csr, []) == "there is none"
    assert why("-----BEGIN", csr, []) == "it is not of the authority: ValueError"
    assert why(foreign, csr, []).startswith("it is not of the authority")
    assert why(pem(found), request(), []) == "it is for another key"
    assert why(pem(found), csr, [serial]) == "it is revoked"


def test_a_weak_key_is_not_signed(tmp_path: Path) -> None:
    weak = request(ec.generate_private_key(ec.SECP224R1()))
    with pytest.raises(ValueError, match="of the curve P-256"):
        pki.issue(authority(tmp_path), weak, wanted(), NOW)


def test_an_authority_signs_nothing_that_outlives_it(tmp_path: Path) -> None:
    ours, last = authority(tmp_path), NOW + timedelta(days=3650 - 89)
    with pytest.raises(ValueError, match="the authority for logs ends on 2036-03-12"):
        pki.issue(ours, request(), wanted(), last)


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    authority(tmp_path), authority(tmp_path, "backup")
    (tmp_path / "backup.key").write_bytes((tmp_path / "logs.key").read_bytes())
    with pytest.raises(ValueError, match=r"backup\.key is not the key of .*backup\.pem"):
        authority(tmp_path, "backup")
    (tmp_path / "logs.key").unlink()
    with pytest.raises(ValueError, match="only one is there"):
        authority(tmp_path)


def test_what_stands_beside_a_certificate_is_not_handed_back(tmp_path: Path) -> None:
    there = pem(pki.issue(authority(tmp_path), request(), wanted(), NOW))
    assert pki.plain(f"a word\n{there}{pem(authority(tmp_path).certificate)}") == there


def test_a_list_of_a_former_authority_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "logs.crl.pem"
    pki.revocation_list(file, authority(tmp_path, "backup"), [], NOW, keep=False)
    ours = authority(tmp_path)
    for _ in range(2):
        made = pki.revocation_list(file, ours, [], NOW, keep=False)
        assert x509.load_pem_x509_crl(made.encode()).is_signature_valid(ours.key.public_key())
        file.write_text(made[:200])


def test_others_may_not_look_into_the_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(ValueError, match="others may look"), pki.alone(tmp_path):
        pytest.fail("it was opened")


def test_the_list_of_the_revoked_is_made_anew_before_it_ends(tmp_path: Path) -> None:
    ours, file = authority(tmp_path), tmp_path / "logs.crl.pem"

    def listed(revoked: list[int], days_later: int) -> str:
        later = NOW + timedelta(days=days_later)
        said: str = pki.revocation_list(file, ours, revoked, later, keep=False)
        return said

    first = listed([], 0)
    assert listed([], 14) == first
    assert listed([], 16) != first
    revoked = x509.load_pem_x509_crl(listed([7, 9], 16).encode())
    assert {entry.serial_number for entry in revoked} == {7, 9}
    assert revoked.is_signature_valid(ours.key.public_key())
