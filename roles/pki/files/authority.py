"""The internal authorities, on the control node: one for each usage, and what they sign.

Since each usage has an authority of its own, a certificate for logs opens no tunnel. An authority's
key is encrypted and never leaves the control node; a host's own key never leaves the host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_YEARS = 10
LIST_DAYS = 30  # how long a list of revoked certificates is valid; a new one comes after half of it
SKEW = timedelta(minutes=5)  # a host whose clock is a little late takes a new certificate too
PURPOSES = {
    "ipsec": [ExtendedKeyUsageOID.IPSEC_IKE],
    # Whoever sends logs or backups shows a certificate as well, with the same one.
    "": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Wanted:
    """What a certificate must say; its life, and how long before its end it is renewed, in days."""

    host: str
    name: str
    usage: str
    names: tuple[str, ...]
    days: int
    renew: int


@dataclass(frozen=True)
class Authority:
    """The authority of one usage: its certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """Its certificate, as relying services read it."""
        return self.certificate.public_bytes(PEM).decode()

    @property
    def organisation(self) -> str:
        """The organisation that it names, and that certificates name."""
        (found,) = self.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return str(found.value)


def open_authority(
    directory: Path,
    usage: str,
    passphrase: bytes,
    organisation: str,
    now: datetime,
    *,
    keep: bool = False,
) -> Authority:
    """The authority of a usage, made when there is none; `keep` leaves the directory as it is.

    Raises ValueError when the passphrase is wrong, or its files do not belong together.
    """
    key_file, certificate_file = directory / f"{usage}.key", directory / f"{usage}.pem"
    if key_file.exists() != certificate_file.exists():
        raise ValueError(
            f"of {key_file} and {certificate_file} only one is there: restore the other"
        )
    if key_file.exists():
        return _read_authority(key_file, certificate_file, passphrase)
    key = ec.generate_private_key(ec.SECP384R1())
    name = _name(organisation, f"{organisation} {usage}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=365 * AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    if keep:
        return Authority(certificate, key)
    encryption = serialization.BestAvailableEncryption(passphrase)
    _write(certificate_file, certificate.public_bytes(PEM))
    _write(key_file, key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption))
    return Authority(certificate, key)


def _read_authority(key_file: Path, certificate_file: Path, passphrase: bytes) -> Authority:
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), passphrase)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{key_file} is not encrypted with `pki_authority_passphrase`: {error}"
        ) from error
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey)
        or key.public_key() != certificate.public_key()
    ):
        raise ValueError(f"{key_file} is not the key of {certificate_file}")
    return Authority(certificate, key)


def why_renew(
    pem: str, csr: str, wanted: Wanted, authority: Authority, revoked: Sequence[int], now: datetime
) -> str:
    """Why the certificate that is there does not do; "" when it does."""
    if not pem:
        return "there is none"
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        found.verify_directly_issued_by(authority.certificate)
        same_key = found.public_key() == x509.load_pem_x509_csr(csr.encode()).public_key()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is replaced
        return f"it is not of the authority: {type(error).__name__}"
    if found.serial_number in revoked:
        return "it is revoked"
    if not same_key:
        return "it is for another key"
    if not _is_strong(found.public_key()):
        return "its key is not of the curve P-256"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    subject = _name(authority.organisation, wanted.host)
    if names != _alternative_names(wanted.names) or found.subject != subject:
        return "it has other names"
    if found.not_valid_after_utc - now < timedelta(days=wanted.renew):
        return f"it ends on {found.not_valid_after_utc:%Y-%m-%d}"
    return ""


def plain(pem: str) -> str:
    """The first certificate of a text, and nothing else that somebody has put there."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(PEM).decode()


def _is_strong(key: object) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def issue(authority: Authority, csr: str, wanted: Wanted, now: datetime) -> x509.Certificate:
    """A certificate for the key that signed the request; what else the request asks is left out.

    Raises ValueError for a request that is none or whose key is weak, and when the authority itself
    ends before the certificate would.
    """
    request = x509.load_pem_x509_csr(csr.encode())
    if not request.is_signature_valid or not _is_strong(request.public_key()):
        raise ValueError(f"the request of {wanted.host} is not signed by a key of the curve P-256")
    ends = now + timedelta(days=wanted.days)
    if ends > authority.certificate.not_valid_after_utc:
        raise ValueError(
            f"the authority for {wanted.usage} ends on "
            f"{authority.certificate.not_valid_after_utc:%Y-%m-%d}, before what it would sign: "
            "replace it (roles/pki/README.md)"
        )
    purposes = PURPOSES.get(wanted.usage, PURPOSES[""])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(authority.organisation, wanted.host))
        .issuer_name(authority.certificate.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(_alternative_names(wanted.names), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority.key, hashes.SHA384())
    )


def revocation_list(
    file: Path, authority: Authority, revoked: Sequence[int], now: datetime, *, keep: bool
) -> str:
    """The list of revoked certificates: the one that is there while it is true and young enough.

    `keep` leaves the file as it is, whatever is returned.
    """
    if file.exists() and _is_good(file.read_bytes(), authority, revoked, now):
        return file.read_text()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - SKEW)
        .next_update(now + timedelta(days=LIST_DAYS))
    )
    for serial in sorted(revoked):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
        builder = builder.add_revoked_certificate(entry.build())
    made = builder.sign(authority.key, hashes.SHA384()).public_bytes(PEM)
    if not keep:
        _write(file, made)
    return made.decode()


def _is_good(content: bytes, authority: Authority, revoked: Sequence[int], now: datetime) -> bool:
    """Whether a list is this authority's, names the revoked, and has half of its life before it."""
    try:
        found = x509.load_pem_x509_crl(content)
        signed = found.is_signature_valid(authority.key.public_key())
    except (TypeError, ValueError):
        return False  # cut off, or of a former authority
    end = found.next_update_utc
    young = end is not None and end - now > timedelta(days=LIST_DAYS / 2)
    return signed and young and {entry.serial_number for entry in found} == set(revoked)


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(found)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _write(file: Path, content: bytes) -> None:
    """All of it or nothing, for this account alone."""
    made = file.with_name(f".{file.name}")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(content)
    made.replace(file)


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hosts are worked on side by side: one at a time makes an authority or a list."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o077:
        raise ValueError(f"others may look into {directory}: chmod 0700 {directory}")
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
