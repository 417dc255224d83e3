"""The certificates of live hosts, as they say themselves, and what is wrong with each."""

import json
from collections.abc import Iterable, Mapping
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
        json.loads,
        script=_COLLECTOR.read_text("utf-8"),
        patience=_PATIENCE,
    )
    given, missing = ask(connections, question)
    found: list[Certificate] = []
    unreadable: dict[str, str] = {}
    for host, answer in given.items():
        try:
            found += read_certificates(host, answer, now, warn)
        except (KeyError, TypeError, ValueError) as error:
            unreadable[host] = f"its certificates could not be read: {printable(str(error))}"
    return CertificateList(tuple(found), {**missing, **unreadable})


def read_certificates(
    host: str, answer: Mapping[str, Any], now: datetime, warn: timedelta
) -> list[Certificate]:
    """What a host's answer says; raises ValueError, TypeError or KeyError when it is none."""
    shown: dict[bytes, list[str]] = {}
    found: list[tuple[bytes, Certificate]] = []
    for entry in answer["listeners"]:
        place, user = f"tcp {int(entry['port'])}", printable(entry["user"])
        chain = _chain(entry["pem"])
        shown.setdefault(chain[0].fingerprint(hashes.SHA256()), []).append(user)
        found.append(_certificate(host, place, chain, now, warn, [user]))
    for entry in answer["files"]:
        place = printable(entry["path"])
        try:
            chain = _chain(entry["pem"])
        except ValueError as error:
            # One file that is none must not hide the others.
            found.append((b"", _broken(host, place, str(error), now)))
            continue
        naming = [printable(path) for path in entry["named_in"]]
        found.append(_certificate(host, place, chain, now, warn, naming))
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
        subject=printable(first.subject.rfc4514_string()),
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


def _faults(chain: list[x509.Certificate], now: datetime, warn: timedelta) -> Iterable[str]:
    first = chain[0]
    if first.not_valid_after_utc <= now:
        yield f"it ended on {first.not_valid_after_utc:%Y-%m-%d}"
    elif first.not_valid_after_utc - now < warn:
        yield f"it ends on {first.not_valid_after_utc:%Y-%m-%d}"
    if first.not_valid_before_utc > now:
        yield f"it is valid from {first.not_valid_before_utc:%Y-%m-%d} only"
    kind, bits = _key(first)
    if bits < (_LEAST_RSA if kind == "RSA" else _LEAST_CURVE):
        yield f"its key is weak: {kind} {bits}"
    algorithm = first.signature_hash_algorithm
    if isinstance(algorithm, hashes.SHA1 | hashes.MD5):
        yield f"its signature is weak: {algorithm.name}"
    if not _is_authority(first):
        # Of an authority's file the order says nothing: it is a list of whom to trust.
        for lower, upper in pairwise(chain):
            if lower.issuer != upper.subject:
                yield "its chain is not in order"
                return


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
