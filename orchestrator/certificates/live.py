"""The certificates of live hosts, as they say themselves, and what is wrong with each."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from orchestrator.engine import Connection, Question, ask, printable
from orchestrator.exit_codes import ExitCode

_COLLECTOR = Path(__file__).with_name("collect.py")
_PATIENCE = 180.0  # seconds for all that a host is asked
# ANSSI PG-083: what is worth 128 bits; RSA of 3072 is the least that the selection guide names.
_LEAST_RSA, _LEAST_CURVE = 3072, 256  # bits


@dataclass(frozen=True)
class Certificate:
    """A certificate of a host, and where it was found: a file's path, or `tcp 443`.

    `names` are those that it proves; `key` says its kind and size, as `EC 256`; `used_by` are units
    that show it and files that name it. `faults` say what is wrong with it, or are none.
    """

    host: str
    place: str
    subject: str
    issuer: str
    serial: str
    names: tuple[str, ...]
    key: str
    starts: datetime
    ends: datetime
    authority: bool
    used_by: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class CertificateList:
    """What was found on the hosts that were asked; `missing` says why not."""

    certificates: tuple[Certificate, ...]
    missing: Mapping[str, str]

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        if self.missing:
            return ExitCode.INCOMPLETE
        faulty = any(certificate.faults for certificate in self.certificates)
        return ExitCode.FINDINGS if faulty else ExitCode.OK


def list_certificates(
    connections: Iterable[Connection], now: datetime, warn: timedelta
) -> CertificateList:
    """Ask the hosts; a certificate that ends within `warn` is at fault."""
    question = Question(
        "its certificates",
        "sudo -n python3 -I -",
        _read_json,
        script=_COLLECTOR.read_text("utf-8"),
        patience=_PATIENCE,
    )
    given, missing = ask(connections, question)
    found: list[Certificate] = []
    unreadable: dict[str, str] = {}
    for host, answer in given.items():
        try:
            found += read_certificates(host, answer, now, warn)
        except Exception as error:  # noqa: BLE001 - one host's nonsense must not hide the others
            unreadable[host] = f"its certificates could not be read: {printable(repr(error))}"
    return CertificateList(tuple(found), {**missing, **unreadable})


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested without end") from error


def read_certificates(
    host: str, answer: Mapping[str, Any], now: datetime, warn: timedelta
) -> list[Certificate]:
    """What a host's answer says; raises LookupError, TypeError or ValueError when it is none.

    Whoever has an account there may have written what is read: a file or listener that is no
    certificate is told as such, and hides no other.
    """
    shown: dict[bytes, list[str]] = {}
    found: list[tuple[bytes, Certificate]] = []
    places = [
        (f"tcp {int(entry['port'])}", entry["pem"], [printable(entry["user"])], True)
        for entry in answer["listeners"]
    ] + [
        (printable(entry["path"]), entry["pem"], list(map(printable, entry["named_in"])), False)
        for entry in answer["files"]
    ]
    for place, blocks, used_by, listens in places:
        try:
            fingerprint, one = _certificate(host, place, _chain(blocks), now, warn, used_by)
        except Exception as error:  # noqa: BLE001 - an algorithm that nobody knows, or garbage
            found.append((b"", _broken(host, place, str(error) or repr(error), now)))
            continue
        if listens:
            shown.setdefault(fingerprint, []).extend(used_by)
        found.append((fingerprint, one))
    return [
        replace(one, used_by=tuple(dict.fromkeys([*shown.get(fingerprint, []), *one.used_by])))
        for fingerprint, one in found
    ]


def _chain(blocks: Iterable[str]) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(block.encode()) for block in blocks]


def _certificate(
    host: str,
    place: str,
    chain: list[x509.Certificate],
    now: datetime,
    warn: timedelta,
    used_by: list[str],
) -> tuple[bytes, Certificate]:
    first = chain[0]
    return first.fingerprint(hashes.SHA256()), Certificate(
        host=host,
        place=place,
        subject=_subject(first),
        issuer=printable(first.issuer.rfc4514_string()),
        serial=f"{first.serial_number:x}",
        names=_names(first),
        key=" ".join(map(str, _key(first))),
        starts=first.not_valid_before_utc,
        ends=first.not_valid_after_utc,
        authority=_is_authority(first),
        used_by=tuple(used_by),
        faults=tuple(_faults(chain, now, warn)),
    )


def _broken(host: str, place: str, why: str, now: datetime) -> Certificate:
    return Certificate(
        host=host,
        place=place,
        subject="",
        issuer="",
        serial="",
        names=(),
        key="",
        starts=now,
        ends=now,
        authority=False,
        used_by=(),
        faults=(f"it cannot be read: {printable(why)}",),
    )


def _faults(chain: list[x509.Certificate], now: datetime, warn: timedelta) -> Iterator[str]:
    yield from _faults_of(chain[0], "it", now, warn)
    if _is_authority(chain[0]):
        return  # of a list of whom to trust the order says nothing
    for lower, upper in pairwise(chain):
        yield from _faults_of(upper, f"behind it, {_subject(upper)}", now, warn)
        if lower.issuer != upper.subject:
            yield "its chain is not in order"
            return


def _faults_of(one: x509.Certificate, what: str, now: datetime, warn: timedelta) -> Iterator[str]:
    starts, ends = one.not_valid_before_utc, one.not_valid_after_utc
    if ends <= now:
        yield f"{what} ended on {ends:%Y-%m-%d}"
    elif ends - now < warn:
        yield f"{what} ends on {ends:%Y-%m-%d}"
    if starts > now:
        yield f"{what} is valid from {starts:%Y-%m-%d} only"
    kind, bits = _key(one)
    if bits < (_LEAST_RSA if kind == "RSA" else _LEAST_CURVE):
        yield f"{what} has a weak key: {kind} {bits}"
    algorithm = one.signature_hash_algorithm
    if isinstance(algorithm, hashes.SHA1 | hashes.MD5):
        yield f"{what} has a weak signature: {algorithm.name}"


def _subject(one: x509.Certificate) -> str:
    return printable(one.subject.rfc4514_string())


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return "EdDSA", 256 if isinstance(key, ed25519.Ed25519PublicKey) else 456
    return type(key).__name__, 0


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(printable(str(name.value)) for name in found.value)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return found.value.ca
