"""What is said of encrypted disks: read from headers that cryptsetup wrote (headers/)."""

import ast
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import Connection
from orchestrator.environment import load_environment, role_defaults
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.keys.call import KEYS, call
from orchestrator.keys.change import in_order, passphrase_sentence, progress_sentence
from orchestrator.keys.declared import cipher, derivation
from orchestrator.keys.devices import Device, DeviceList, read_devices
from orchestrator.paths import project_root

HEADERS = Path(__file__).parent / "headers"
UUID = "0b1c5b0e-0a6c-4d8b-9a57-4f2c7a0d9e11"


def said(header: str, noted: str | None = "sum", *, awaits_escrow: bool = False) -> dict[str, Any]:
    """A host's answer: one device with this header, and what it noted to be in escrow."""
    device = {
        "uuid": UUID,
        "path": "/dev/md/system",
        "opened": ["system_crypt"],
        "header": json.loads((HEADERS / f"{header}.json").read_text()),
        "sha256": "sum",
        "awaits_escrow": awaits_escrow,
    }
    return {"noted": {} if noted is None else {UUID: noted}, "devices": [device]}


def read(header: str, noted: str | None = "sum") -> Device:
    (device,) = read_devices("rbx7", said(header, noted))
    return device


def test_a_header_is_read() -> None:
    device = read("plain")
    assert (device.cipher, device.key_bits) == ("aes-xts-plain64", 512)
    (slot,) = device.slots
    assert (slot.derivation, slot.memory_mib, slot.passes) == ("argon2id", 64, 4)
    assert not device.under_way


@pytest.mark.parametrize(
    ("header", "noted", "faults"),
    [
        ("plain", "sum", ()),
        ("plain", None, ("its header is not in escrow",)),
        ("plain", "other", ("its header is another one than in escrow",)),
        ("two", "sum", ("2 keys open it, and 1 should",)),
        ("under", "other", ("its volume key is being changed",)),
    ],
)
def test_what_somebody_has_to_do_is_said(
    header: str, noted: str | None, faults: tuple[str, ...]
) -> None:
    device = read(header, noted)
    assert device.faults == faults
    expected = ExitCode.FINDINGS if faults else ExitCode.OK
    assert DeviceList((device,), {}).exit_code is expected


def test_a_second_key_may_be_declared() -> None:
    assert replace(read("two"), declared_slots=2).faults == ()
    assert replace(read("plain"), declared_slots=2).faults == ("1 keys open it, and 2 should",)


@pytest.mark.parametrize("name", ["cipher", "key_bits", "argon2_memory_mib", "argon2_iterations"])
def test_what_is_checked_is_what_is_installed_and_rotated(name: str) -> None:
    """One declaration: role installation has no other value of its own."""
    checked, installed = (
        role_defaults(project_root() / f"roles/{role}") for role in ("encryption", "installation")
    )
    default = repr(checked[f"encryption_{name}"])
    assert installed[f"installation_{name}"] == f"{{{{ encryption_{name} | default({default}) }}}}"


def test_new_keys_cost_what_the_lab_declares_once() -> None:
    environment = load_environment("lab")
    host = environment.host("rbx7")
    found = {**derivation(environment, host), **cipher(environment, host)}
    assert found == {
        "memory_mib": 64, "iterations": 4, "threads": 4, "cipher": "aes-xts-plain64",
        "key_bits": 512,
    }  # fmt: skip


def test_a_change_that_ended_unwatched_is_told_from_one_by_somebody_else() -> None:
    (device,) = read_devices("rbx7", said("plain", "other", awaits_escrow=True))
    assert device.faults == ("its volume key was changed, and its new header is not in escrow yet",)
    assert in_order((device,)) == [device]


def test_a_device_that_cannot_be_read_hides_no_other() -> None:
    answer = said("plain")
    unreadable = {"uuid": "1", "path": "/dev/old", "opened": [], "unreadable": "no LUKS2 \x1b[2J"}
    answer["devices"].append(unreadable)
    sound, faulty = read_devices("rbx7", answer)
    assert not sound.faults
    assert faulty.faults == ("its header cannot be read: no LUKS2 �[2J",)


def test_a_host_that_says_nothing_is_no_host_in_order() -> None:
    assert DeviceList((read("plain"),), {"sysfab": "no answer"}).exit_code is ExitCode.INCOMPLETE


def test_what_a_host_says_cannot_speak_to_the_terminal() -> None:
    answer = said("plain")
    answer["devices"][0]["path"] = "/dev/\x1b[2Jsystem"
    (device,) = read_devices("rbx7", answer)
    assert "\x1b" not in device.path


def test_a_refusal_is_an_error() -> None:
    with pytest.raises(ValueError, match="cryptsetup is not installed here"):
        read_devices("rbx7", {"refused": "cryptsetup is not installed here"})


def test_no_volume_key_is_changed_of_which_the_header_is_not_kept() -> None:
    kept, other = read("plain"), read("plain", "other")
    under_way = replace(read("under", "other"), uuid="under way")
    assert in_order((kept, under_way)) == [under_way, kept]
    with pytest.raises(PasInfraError, match="another one than in escrow") as refused:
        in_order((kept, other))
    assert "pas-infra keys escrow rbx7" in str(refused.value.next_step)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            {"slot": 1, "added": True, "removed": [0]},
            "D: the declared passphrase was added (slot 1), the former one removed (slot 0)",
        ),
        (
            {"slot": 1, "added": False, "removed": [0, 2]},
            "D: the declared passphrase opens it (slot 1), the former one removed (slot 0, 2)",
        ),
        (
            {"slot": 0, "added": False, "removed": []},
            "D: the declared passphrase opens it (slot 0)",
        ),
    ],
)
def test_a_change_is_told(answer: dict[str, Any], sentence: str) -> None:
    assert passphrase_sentence("D", answer) == sentence


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        (
            {"device_bytes": "512", "device_size": "1024", "eta_ms": "180000"},
            "volume key of D, 50 %, 3 min left",
        ),
        (None, "volume key of D"),
        ({"device_bytes": "0", "device_size": "0", "eta_ms": "0"}, "volume key of D"),
        ({"device_bytes": "many"}, "volume key of D"),
    ],
)
def test_progress_is_told(progress: dict[str, str] | None, sentence: str) -> None:
    assert progress_sentence("D", progress) == sentence


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"sha256": "{{ lookup('pipe', 'id') }}"}, "gives no sum of a header: {{"),
        ({"refused": "no\x1b[2J"}, "rbx7: no�[2J"),
    ],
)
def test_what_a_host_says_is_not_executed_here(
    answer: dict[str, str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ncat > /dev/null\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(PasInfraError) as refused:
        call(Connection("rbx7", "198.18.0.11", 22, "", ""), "look", uuid="1")
    assert what in refused.value.what


def test_a_passphrase_of_any_letters_is_data() -> None:
    """It stands in a program: nothing in it ends the text that it is."""
    awkward = "a'\"\\\n\x00é'''))\nimport os"
    asked = KEYS.question({"what": "prove", "passphrase": awkward})
    assert awkward not in asked.command
    (literal,) = re.findall(r"json\.loads\((.*)\)\)\)\)$", asked.script, re.MULTILINE)
    assert json.loads(ast.literal_eval(literal))["passphrase"] == awkward
