"""What opens a LUKS2 device beside its passphrase: keys that Clevis gets from Tang, by its tokens.

A token is a note in the header. Runs on the host, as root, and reads headers on the control node.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.keys.host.luks import kill_slot, metadata, run

_CLEVIS = "clevis"
# The type of the note that a slot is being filled for Tang: until Clevis's own token is there,
# nothing else would tell it from somebody's whom nobody knows.
_BEGUN = "pas-infra-tang"
_OF_A_KEY = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}


@dataclass(frozen=True)
class Binding:
    """A token of Clevis: its number, its slots, and of Tang the URL and the signing keys.

    `thumbprints` are RFC 7638's, SHA-256; of what is not Tang's alone both are empty.
    """

    token: int
    slots: tuple[int, ...]
    url: str = ""
    thumbprints: tuple[str, ...] = ()

    def is_of(self, url: str, thumbprint: str) -> bool:
        """Whether this Tang opens it, and that Tang has this key."""
        return len(self.slots) == 1 and self.url == url and thumbprint in self.thumbprints


def bindings(header: Mapping[str, Any]) -> list[Binding]:
    """The tokens of Clevis in a header, by their numbers; of one without sense nothing is known."""
    found = []
    for number, token in sorted(header.get("tokens", {}).items(), key=lambda item: int(item[0])):
        if token["type"] == _CLEVIS:
            slots = tuple(int(slot) for slot in token["keyslots"])
            try:
                found.append(Binding(int(number), slots, *_of_tang(token["jwe"])))
            except (LookupError, TypeError, ValueError, AttributeError):
                found.append(Binding(int(number), slots))
    return found


def bound_slots(device: str) -> set[int]:
    """The slots that a token of Clevis names."""
    return {slot for binding in bindings(metadata(device)) for slot in binding.slots}


def begin(device: str, slot: int) -> None:
    """Note that this slot is being filled for Tang; the slot need not be there yet."""
    token = json.dumps({"type": _BEGUN, "keyslots": [], "slot": str(slot)})
    run("cryptsetup", "token", "import", device, stdin=token)


def bound(device: str, slot: int, jwe: str) -> None:
    """Write down how Tang gives the key of this slot, and that it is filled."""
    token = json.dumps({"type": _CLEVIS, "keyslots": [str(slot)], "jwe": json.loads(jwe)})
    run("cryptsetup", "token", "import", device, stdin=token)
    for number, _ in _begun(metadata(device)):
        remove(device, number)


def drop_begun(device: str, passphrase: str, own: int) -> None:
    """Remove what was begun for Tang and cut short; `own` is the passphrase's slot, which stays."""
    header = metadata(device)
    kept = {own} | {slot for binding in bindings(header) for slot in binding.slots}
    for number, slot in _begun(header):
        if slot not in kept and str(slot) in header["keyslots"]:
            kill_slot(device, slot, passphrase)
        remove(device, number)


def remove(device: str, token: int) -> None:
    """Take a token off the header; its slot is another matter."""
    run("cryptsetup", "token", "remove", "--token-id", str(token), device)


def _begun(header: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    for number, token in header.get("tokens", {}).items():
        if token["type"] == _BEGUN:
            yield int(number), int(token["slot"])


def _of_tang(jwe: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    protected = json.loads(_decoded(jwe["protected"]))["clevis"]
    if protected["pin"] != "tang":
        return "", ()
    keys = protected["tang"]["adv"]["keys"]
    signing = tuple(_thumbprint(key) for key in keys if "verify" in key["key_ops"])
    return str(protected["tang"]["url"]), signing


def _thumbprint(key: Mapping[str, str]) -> str:
    of_it = {name: key[name] for name in _OF_A_KEY[key["kty"]]}
    text = json.dumps(of_it, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
