"""From a valid people.yml to its dataclasses."""

from datetime import date
from typing import Any

from orchestrator.environment.lines import Document
from orchestrator.environment.model import MachineAccount, People, Person, Place, Right
from orchestrator.environment.ssh_keys import public_key


def build_people(document: Document) -> People:
    """What a document without problems declares."""
    data: Any = document.data
    return People(
        rights=tuple(
            Right(
                name,
                right["description"],
                tuple(right.get("sudo", ())),
                tuple(right.get("groups", ())),
            )
            for name, right in data["rights"].items()
        ),
        persons=tuple(_person(entry) for entry in data["persons"]),
        machines=tuple(_machine(entry) for entry in data["machines"]),
    )


def _person(entry: Any) -> Person:
    return Person(
        account=entry["account"],
        name=entry["name"],
        email=entry.get("email"),
        rights=tuple(entry["rights"]),
        hosts=tuple(entry["hosts"]) if "hosts" in entry else None,
        keys=tuple(public_key(line) for line in entry["keys"]),
        second_factor=entry["second_factor"],
        place=Place(**entry["place"]),
        valid_until=date.fromisoformat(entry["valid_until"]),
    )


def _machine(entry: Any) -> MachineAccount:
    return MachineAccount(
        account=entry["account"],
        purpose=entry["purpose"],
        owner=entry["owner"],
        hosts=tuple(entry["hosts"]) if "hosts" in entry else None,
        keys=tuple(public_key(line) for line in entry.get("keys", ())),
        keys_variable=entry.get("keys_variable"),
        origins=tuple(entry["from"]),
        sudo=tuple(entry.get("sudo", ())),
        forced_command=entry.get("forced_command"),
        valid_until=date.fromisoformat(entry["valid_until"]),
    )
