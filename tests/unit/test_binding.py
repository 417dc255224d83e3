"""Which disks Tang may open, and what is said of those that it does; headers/tang.json is real."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.environment import Waiver
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.keys.binding import ACCEPTED_BY, is_accepted, of_the_system, sentence, with_tang
from orchestrator.keys.devices import Device, DeviceList, Tang, read_devices
from orchestrator.keys.host.tokens import Binding, bindings

HEADER = json.loads((Path(__file__).parent / "headers/tang.json").read_text())
PLAIN = json.loads((Path(__file__).parent / "headers/plain.json").read_text())
URL = "http://198.18.0.13:7654"
THUMBPRINT = "mFnv9yi5KaMqZ1Oasg_N46myDvPQgHVGnCMHCCuTlkU"
DECLARED = Tang(URL, THUMBPRINT)
WAIVER = Waiver(ACCEPTED_BY, "why", "what instead", "who", date(2026, 12, 31), ("rbx7",))


def device(header: dict[str, Any] = HEADER, *, system: bool = True) -> Device:
    said = {
        "uuid": "1", "path": "/dev/md/system", "opened": ["system_crypt"], "header": header,
        "sha256": "sum", "system": system,
    }  # fmt: skip
    (found,) = read_devices("rbx7", {"noted": {"1": "sum"}, "devices": [said]})
    return found


def with_token(**changed: object) -> dict[str, Any]:
    """The header with its token of Clevis changed."""
    ((number, token),) = HEADER["tokens"].items()
    return {**HEADER, "tokens": {number: {**token, **changed}}}


def test_a_token_of_clevis_is_read() -> None:
    (binding,) = bindings(HEADER)
    assert binding == Binding(binding.token, (1,), URL, (THUMBPRINT,))
    assert bindings(PLAIN) == []


@pytest.mark.parametrize(
    "jwe",
    [{}, [], None, {"protected": "no base64 !"}, {"protected": "e30"}, {"protected": "eyJhIjox"}],
)
def test_a_token_without_sense_is_nobodys_that_was_declared(jwe: object) -> None:
    (binding,) = bindings(with_token(jwe=jwe))
    assert (binding.slots, binding.url) == ((1,), "")
    (first, second) = device(with_token(jwe=jwe)).tang_faults(DECLARED)
    assert "Tang at an unknown place opens it" in first
    assert second.startswith("0 keys of Tang")


@pytest.mark.parametrize(
    ("found", "declared", "said"),
    [
        (device(), DECLARED, []),
        (device(), None, ["Tang at http://198.18.0.13:7654 opens it, which is not declared so"]),
        (device(system=False), DECLARED, ["which is not declared so"]),
        (device(PLAIN), DECLARED, ["0 keys of Tang at http://198.18.0.13:7654 open it"]),
        (device(PLAIN), None, []),
        (device(PLAIN, system=False), DECLARED, []),
        (device(), Tang(URL, "A" * 43), ["not declared so", "0 keys of Tang"]),
        (device(), Tang("http://198.18.0.13:80", THUMBPRINT), ["not declared so", "0 keys"]),
        (device(with_token(keyslots=[])), DECLARED, ["2 keys", "not declared so", "0 keys"]),
    ],
    ids=["as-declared", "undeclared", "not-the-systems", "not-bound", "off", "not-the-systems-off",
         "another-key", "another-place", "no-slot"],
)  # fmt: skip
def test_tang_opens_what_is_declared_and_nothing_else(
    found: Device, declared: Tang | None, said: list[str]
) -> None:
    listed = DeviceList((found,), {}, {"rbx7": declared})
    faults = listed.faults_of(found)
    assert len(faults) == len(said), faults
    assert all(words in fault for words, fault in zip(said, faults, strict=True))
    assert listed.exit_code is (ExitCode.FINDINGS if said else ExitCode.OK)


def test_tangs_key_is_not_one_too_many() -> None:
    assert device().faults == ()
    nobodys = device({**HEADER, "tokens": {}})
    assert nobodys.faults == ("2 keys open it, and 1 should",)


@pytest.mark.parametrize(
    ("waiver", "accepted"),
    [
        (WAIVER, True),
        (replace(WAIVER, hosts=None), True),
        (replace(WAIVER, hosts=("sysfab",)), False),
        (replace(WAIVER, until=date(2026, 11, 25)), False),
        (replace(WAIVER, until=date(2026, 11, 26)), True),
        (replace(WAIVER, rule="test_encryption.py::test_data_lies_encrypted"), False),
    ],
    ids=["named", "every-host", "another-host", "ended", "last-day", "another-rule"],
)
def test_somebody_has_to_accept_it(waiver: Waiver, accepted: bool) -> None:  # noqa: FBT001 - a row
    assert is_accepted([waiver], "rbx7", date(2026, 11, 26)) is accepted


def test_only_the_systems_disk_is_bound() -> None:
    system, other = device(), replace(device(system=False), path="/dev/other")
    assert of_the_system((system, other)) == [system]
    with pytest.raises(PasInfraError, match="does not lie on /dev/other"):
        of_the_system((other,))


def test_what_tang_has_anywhere_is_taken_away() -> None:
    system, foreign = device(PLAIN), device(system=False)
    plain = device(PLAIN, system=False)
    assert with_tang((system, foreign, plain), named=False) == [system, foreign]
    assert with_tang((plain,), named=True) == [plain]
    with pytest.raises(PasInfraError, match="Tang opens no disk of rbx7"):
        with_tang((plain,), named=False)


@pytest.mark.parametrize(
    ("what", "slot", "added", "removed", "said"),
    [
        ("bind", 1, True, [], "D: Tang opens it too (slot 1)"),
        ("bind", 2, True, [1], "D: Tang opens it too (slot 2); removed: slot 1"),
        ("bind", 1, False, [], "D: Tang opens it already (slot 1)"),
        ("unbind", 0, False, [1, 2], "D: the passphrase alone opens it; removed: slot 1, 2"),
        ("unbind", 0, False, [], "D: the passphrase alone opens it"),
    ],
)
def test_what_was_done_is_told(
    what: str,
    slot: int,
    added: bool,  # noqa: FBT001 - a row
    removed: list[int],
    said: str,
) -> None:
    assert sentence("D", what, {"slot": slot, "added": added, "removed": removed}) == said
