"""What Clevis has noted in the headers of encrypted disks: who gives a key, and in which slot."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from declared import Declared


@dataclass(frozen=True)
class Binding:
    """A token: its slots, the URL of its Tang, and the thumbprints of the keys that signs with."""

    slots: tuple[str, ...]
    url: str = ""
    thumbprints: tuple[str, ...] = ()


def bindings(header: Mapping[str, Any]) -> Iterator[Binding]:
    """The tokens of Clevis in a header; of one that is not Tang's alone its slots are known."""
    for token in header.get("tokens", {}).values():
        if token["type"] != "clevis":
            continue
        slots = tuple(token["keyslots"])
        try:
            protected = json.loads(decoded(token["jwe"]["protected"]))["clevis"]
            tang = protected["tang"] if protected["pin"] == "tang" else {}
            signing = [key for key in tang["adv"]["keys"] if "verify" in key["key_ops"]]
            yield Binding(slots, tang["url"], tuple(map(thumbprint, signing)))
        except (LookupError, TypeError, ValueError):
            yield Binding(slots)


def faults(
    path: str, header: Mapping[str, Any], declared: Declared, *, system: bool
) -> Iterator[str]:
    """Where Tang does not open a device as is declared: the one of the system, by one key."""
    url = declared["initramfs_tang_url"] if system else ""
    right = 0
    for binding in bindings(header):
        if (
            url
            and binding.url == url
            and declared["initramfs_tang_thumbprint"] in (binding.thumbprints)
        ):
            right += len(binding.slots)
        else:
            yield f"Tang at {binding.url or 'an unknown place'} opens {path}, which is not declared"
    if url and right != 1:
        yield f"{right} keys of Tang at {url} open {path}, and one is declared"


def thumbprint(key: Mapping[str, str]) -> str:
    """The thumbprint of a key of an elliptic curve (RFC 7638, SHA-256)."""
    text = json.dumps({name: key[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """What JOSE writes in base64url, without its filling."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
