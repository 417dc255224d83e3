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
                right.get("exec", False),
            )
            for name, right in data["rights"].items()
        ),
        persons=tuple(_person(entry) for entry in data["persons"]),
        machines=tuple(_machine(entry) for entry in data["machines"]),
    )


def accounts_on(people: People, host: str) -> list[dict[str, Any]]:
    """What is declared of each account of a host, as plain data: its checks compare with it.

    `keys` are fingerprints, or None where only Ansible knows them; `second_factor` is None for a
    machine; `exec` is what of `sudo` may start further programs.
    """
    rights = {right.name: right for right in people.rights}
    found = []
    for one in people.on(host):
        person = one if isinstance(one, Person) else None
        granted = [rights[name] for name in person.rights] if person else []
        origins, forced = (
            ((), None) if isinstance(one, Person) else (one.origins, one.forced_command)
        )
        found.append(
            {
                "account": one.account,
                "second_factor": person.second_factor if person else None,
                "keys": [key.fingerprint for key in one.keys] or None,
                "sudo": list(people.sudo_of(one)),
                "exec": (
                    [line for right in granted if right.exec for line in right.sudo]
                    if person
                    else list(people.sudo_of(one))
                ),
                "groups": sorted({group for right in granted for group in right.groups}),
                "from": list(origins),
                "forced_command": forced,
                "valid_until": one.valid_until.isoformat(),
            }
        )
    return found


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
