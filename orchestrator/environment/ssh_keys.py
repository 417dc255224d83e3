"""OpenSSH public keys: what kind, how long, which fingerprint, and whether we accept them."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

HARDWARE = "sk-ssh-ed25519@openssh.com"
# Ed25519 and RSA of 3072 bits or more, no ECDSA: ANSSI PG-083 v3.00 (see docs/architecture.md).
ACCEPTED = (HARDWARE, "ssh-ed25519", "ssh-rsa")
RSA_BITS = 3072


@dataclass(frozen=True)
class PublicKey:
    """One key; `bits` is the length of an RSA modulus, 256 for Ed25519."""

    kind: str
    bits: int
    fingerprint: str
    comment: str

    @property
    def on_hardware(self) -> bool:
        """Whether the private half lies in a FIDO2 token."""
        return self.kind == HARDWARE


def public_key(text: str) -> PublicKey:
    """The key in a line of OpenSSH's form; raises ValueError, in words, for one not accepted."""
    if not text.isprintable():
        # A second line would be a second key, without any restriction of the first.
        raise ValueError("is more than one line, or holds what cannot be printed")
    fields = text.split(maxsplit=2)
    if len(fields) < 2:
        raise ValueError("is no public key: it has no two fields")
    kind, encoded, comment = fields[0], fields[1], fields[2] if len(fields) == 3 else ""
    if kind not in ACCEPTED:
        raise ValueError(f"is of the type `{kind}`, which is not accepted")
    try:
        blob = base64.b64decode(encoded, validate=True)
        parts = _strings(blob)
    except (binascii.Error, ValueError):
        raise ValueError("is no public key: its second field cannot be decoded") from None
    if parts[0] != kind.encode():
        raise ValueError(f"says `{kind}`, but holds another type")
    bits = int.from_bytes(parts[2]).bit_length() if kind == "ssh-rsa" else 8 * len(parts[1])
    if kind == "ssh-rsa" and bits < RSA_BITS:
        raise ValueError(f"is an RSA key of {bits} bits, of which {RSA_BITS} are asked for")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return PublicKey(kind, bits, f"SHA256:{digest}", comment)


def _strings(blob: bytes) -> list[bytes]:
    """The fields of a key's binary form (RFC 4253 §6.6): each with its length before it."""
    found = []
    while blob:
        length = int.from_bytes(blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("cut short")
        found.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    if len(found) < 2 or (found[0] == b"ssh-rsa" and len(found) != 3):
        raise ValueError("cut short")
    return found
