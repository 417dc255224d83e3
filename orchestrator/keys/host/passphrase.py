"""Another passphrase for a LUKS device. Runs on the host, as root."""

import json
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
from orchestrator.keys.host.tokens import bound_slots, drop_begun
from orchestrator.keys.host.volume_key import drop_abandoned, refuse_meanwhile

_MARK = "pas-infra-former"  # the type of a token


def change_passphrase(
    device: str, new: str, former: str, derivation: dict[str, int]
) -> dict[str, Any]:
    """Let the new passphrase open the device, prove it, and only then take the former one's slot.

    Cut short anywhere, one of the two opens it, and the next call goes on. A slot that neither
    opens is left alone, and reported as `strangers` if it is not Tang's.
    """
    refuse_meanwhile(device)
    slot = opened_by(device, new)
    added = slot is None
    if added:
        if opened_by(device, former) is None:
            raise Refused("neither the new passphrase nor the former one opens it")
        with pipe(former) as old_key, pipe(new) as new_key:
            cryptsetup(
                "luksAddKey", "--batch-mode", *cost(derivation), "--key-file", old_key.path,
                device, new_key.path, pipes=(old_key, new_key),
            )  # fmt: skip
        slot = opened_by(device, new)
    if slot is None:
        raise Refused("the new passphrase was added, and does not open it: the former one stays")
    drop_abandoned(device, new)
    drop_begun(device, new, slot)
    # Tang's keys are no passphrases: they stay, and `keys status` tells one that nobody declared.
    stay = {slot, *bound_slots(device)}
    others = [int(number) for number in metadata(device)["keyslots"] if int(number) not in stay]
    marked = marked_slots(device)
    removed = [
        other
        for other in sorted(others)
        if other in marked
        or any(opened_by(device, word, slot=other) is not None for word in (former, new))
    ]
    if set(removed) - marked:
        mark(device, removed)
    for other in removed:
        kill_slot(device, other, new)
    unmark(device)
    return {
        "slot": slot,
        "added": added,
        "removed": removed,
        "strangers": sorted(set(others) - set(removed)),
        "sha256": header_sum(device),
    }


def marks(device: str) -> dict[str, list[str]]:
    """The tokens, by number, that say which slots are to go."""
    tokens = metadata(device).get("tokens", {})
    return {n: token["keyslots"] for n, token in tokens.items() if token["type"] == _MARK}


def marked_slots(device: str) -> set[int]:
    """The slots that an earlier call was about to remove."""
    return {int(slot) for slots in marks(device).values() for slot in slots}


def mark(device: str, slots: list[int]) -> None:
    """Write down in the header that these slots go.

    A slot is overwritten before it is taken off the list: cut short between, nothing opens it, and
    nothing else would tell it from somebody's whom nobody knows.
    """
    token = json.dumps({"type": _MARK, "keyslots": [str(slot) for slot in slots]})
    run("cryptsetup", "token", "import", device, stdin=token)


def unmark(device: str) -> None:
    """Take such a note off the header."""
    for number in marks(device):
        run("cryptsetup", "token", "remove", "--token-id", number, device)


def prove(device: str, passphrase: str) -> dict[str, Any]:
    """The header's sum, when the passphrase opens it; raises Refused when it does not."""
    refuse_meanwhile(device)
    before = header_sum(device)
    if opened_by(device, passphrase) is None:
        raise Refused("the declared passphrase does not open it")
    return {"sha256": before}
