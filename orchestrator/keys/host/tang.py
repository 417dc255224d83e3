"""Let a Tang server open a LUKS device beside its passphrase. Runs on the host, as root.

As `clevis luks bind` does, but for three things: the key is derived at the declared cost, what was
cut short is taken away by the next call, and nothing is done unless the signing key is the declared
one.
"""

import json
import secrets
import subprocess
from typing import Any

from orchestrator.keys.host.luks import (
    Refused,
    cost,
    cryptsetup,
    header_sum,
    kill_slot,
    metadata,
    opened_by,
    pipe,
    run,
)
from orchestrator.keys.host.tokens import (
    Binding,
    begin,
    bindings,
    bound,
    drop_begun,
    remove,
)
from orchestrator.keys.host.volume_key import refuse_meanwhile

_KEY_BYTES = 48
_PATIENCE = 60  # seconds for Tang's answer


def bind(
    device: str, passphrase: str, url: str, thumbprint: str, derivation: dict[str, int]
) -> dict[str, Any]:
    """Have this Tang open the device, if it signs with the key of this thumbprint; prove it.

    Only then goes what else of Clevis's opened it. Cut short anywhere, the passphrase opens it as
    before, and the next call goes on. Where it is so already, nothing is written.
    """
    own = _own_slot(device, passphrase)
    drop_begun(device, passphrase, own)
    there = [one for one in bindings(metadata(device)) if one.is_of(url, thumbprint)]
    kept = next((one for one in there if _opens(device, one)), None)
    added = kept is None
    if kept is None:
        kept = _add(device, passphrase, url, thumbprint, derivation)
    removed = _remove(device, passphrase, own, kept)
    slot = kept.slots[0]
    return {"slot": slot, "added": added, "removed": removed, "sha256": header_sum(device)}


def unbind(device: str, passphrase: str) -> dict[str, Any]:
    """Have the passphrase alone open the device: whatever Clevis has there goes."""
    own = _own_slot(device, passphrase)
    drop_begun(device, passphrase, own)
    removed = _remove(device, passphrase, own, None)
    return {"slot": own, "added": False, "removed": removed, "sha256": header_sum(device)}


def _own_slot(device: str, passphrase: str) -> int:
    refuse_meanwhile(device)
    own = opened_by(device, passphrase)
    if own is None:
        raise Refused("the declared passphrase does not open it")
    return own


def _add(
    device: str, passphrase: str, url: str, thumbprint: str, derivation: dict[str, int]
) -> Binding:
    key = secrets.token_urlsafe(_KEY_BYTES)
    given = _clevis(
        "encrypt", "tang", json.dumps({"url": url, "thp": thumbprint}), stdin=key, url=url
    )
    if _clevis("decrypt", stdin=given, url=url) != key:
        raise Refused(f"Tang at {url} does not give back the key that it was to keep")
    used = metadata(device)["keyslots"]
    slot = next(number for number in range(32) if str(number) not in used)
    begin(device, slot)
    with pipe(passphrase) as own_key, pipe(key) as new_key:
        cryptsetup(
            "luksAddKey", "--batch-mode", *cost(derivation), "--new-key-slot", str(slot),
            "--key-file", own_key.path, device, new_key.path, pipes=(own_key, new_key),
        )  # fmt: skip
    if opened_by(device, key, slot=slot) != slot:
        raise Refused("the key for Tang was added, and does not open it: the passphrase does")
    bound(device, slot, run("jose", "jwe", "fmt", "--input=-", stdin=given))
    return next(one for one in bindings(metadata(device)) if one.slots == (slot,))


def _opens(device: str, binding: Binding) -> bool:
    """Whether Tang gives the key of its slot at this moment."""
    token = run("cryptsetup", "token", "export", "--token-id", str(binding.token), device)
    compact = run(
        "jose", "jwe", "fmt", "--input=-", "--compact", stdin=json.dumps(json.loads(token)["jwe"])
    )
    try:
        key = _clevis("decrypt", stdin=compact.strip(), url=binding.url)
    except Refused:  # it may have lost that key; whether it answers is seen when one is added
        return False
    return opened_by(device, key, slot=binding.slots[0]) is not None


def _remove(device: str, passphrase: str, own: int, kept: Binding | None) -> list[int]:
    """Remove what Clevis has here but what is kept: each slot before the token that names it.

    A slot is overwritten before it is taken off the list: what was cut short is still named.
    """
    removed: list[int] = []
    stay = {own, *(kept.slots if kept else ())}
    for binding in bindings(metadata(device)):
        if binding == kept:
            continue
        for slot in sorted(set(binding.slots) - stay - set(removed)):
            kill_slot(device, slot, passphrase)
            removed.append(slot)
        remove(device, binding.token)
    return removed


def _clevis(*command: str, stdin: str, url: str) -> str:
    """What Clevis gives back, which may be a key; raises Refused without a word of it."""
    try:
        done = subprocess.run(
            ["clevis", *command], input=stdin, capture_output=True, text=True, check=False,
            timeout=_PATIENCE,
        )  # fmt: skip
    except FileNotFoundError:
        raise Refused(
            "clevis is not installed here: pas-infra apply --role initramfs does that"
        ) from None
    except subprocess.TimeoutExpired:
        raise Refused(f"Tang at {url} has not answered within {_PATIENCE} s") from None
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["clevis says nothing"])[-1]
        raise Refused(f"Tang at {url}: {why}")
    return done.stdout
