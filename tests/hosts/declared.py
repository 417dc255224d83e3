"""What an environment declares for a host: checks hold the live host against it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[2] / "roles"
# Who may "keep" a recommendation that is no setting of the host (recommendations.yml says more).
NOT_HERE = {"later", "people", "nothing"}


@dataclass(frozen=True)
class Account:
    """An account of people.yml; `keys` are fingerprints, None where only Ansible knows them.

    `second_factor` is None for a machine; `exec` is what of `sudo` may start further programs.
    """

    account: str
    second_factor: str | None
    keys: list[str] | None
    sudo: list[str]
    exec: list[str]
    groups: list[str]
    origins: list[str]
    forced_command: str | None
    valid_until: str


@dataclass(frozen=True)
class Declared:
    """What the environment asks of the host: it is not the host's to say what it is held to."""

    variables: Mapping[str, Any]
    waivers: tuple[Mapping[str, str], ...]
    # None where nobody is declared at all: then nothing says who should be there.
    accounts: tuple[Account, ...] | None = None
    # The matrix of flows.yml, and all `hosts` with their addresses; None where there is no matrix.
    flows: Mapping[str, Any] | None = None
    # The clients of clients.yml whose data lies on the host.
    clients: tuple[Mapping[str, Any], ...] = ()
    # The repositories of all hosts: `host`, `name`, `title`, `paths`.
    repositories: tuple[Mapping[str, Any], ...] = ()
    # The host's name in the inventory.
    host: str = ""

    @property
    def persons(self) -> tuple[Account, ...]:
        """The accounts of human beings."""
        return tuple(a for a in self.accounts or () if a.second_factor is not None)

    @property
    def machines(self) -> tuple[Account, ...]:
        """The accounts that no human uses."""
        return tuple(a for a in self.accounts or () if a.second_factor is None)

    def __getitem__(self, name: str) -> Any:
        """A variable of a role: from the inventory, else the role's default."""
        value = self.variables[name]
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            raise LookupError(f"{name} is computed by Ansible: nothing here knows its value")
        return value


def read_declaration(file: Path) -> Declared:
    """The file that `pas-infra verify` writes, over the defaults of the roles."""
    content = json.loads(file.read_text("utf-8"))
    defaults: dict[str, Any] = {}
    for each in [*ROLES.glob("*/defaults/main.yml"), *ROLES.glob("*/defaults/main/*.yml")]:
        defaults |= yaml.safe_load(each.read_text("utf-8")) or {}
    accounts = content.get("accounts")
    return Declared(
        defaults | content["variables"],
        tuple(content["waivers"]),
        None if accounts is None else tuple(_account(entry) for entry in accounts),
        content.get("flows"),
        tuple(content.get("clients", ())),
        tuple(content.get("repositories", ())),
        content.get("host", ""),
    )


def _account(entry: dict[str, Any]) -> Account:
    return Account(origins=entry.pop("from"), **entry)


def active_recommendations(declared: Declared, today: date) -> frozenset[str]:
    """The recommendations that the host follows: reached by its level, kept, and not waived."""
    return frozenset(
        number for number, keepers in _unwaived(declared, today).items() if keepers - NOT_HERE
    )


def recommendations_that_nothing_keeps(declared: Declared, today: date) -> list[str]:
    """Those that the level reaches, no role keeps yet, and nobody has waived: each is a finding."""
    return [
        f"nothing keeps {number} yet, and no waiver says so: see the README of role hardening"
        for number, keepers in _unwaived(declared, today).items()
        if keepers == {"later"}
    ]


def _unwaived(declared: Declared, today: date) -> dict[str, set[str]]:
    """Who keeps each recommendation that the host's level reaches and that is not waived."""
    levels = _content()["__hardening_levels"]
    reached = levels[: levels.index(declared["hardening_level"]) + 1]
    waived = {w["rule"] for w in declared.waivers if w["until"] >= today.isoformat()}
    return {
        number: set(about["kept_by"])
        for number, about in _content()["__hardening_recommendations"].items()
        if about["level"] in reached and f"ANSSI-BP-028 {number}" not in waived
    }


def idle_waivers(declared: Declared) -> list[str]:
    """What to say of waivers of recommendations that their roles keep whatever is waived."""
    kept = {
        f"ANSSI-BP-028 {number}": about["kept_by"]
        for number, about in _content()["__hardening_recommendations"].items()
        if not {"hardening", *NOT_HERE} & set(about["kept_by"])
    }
    return [
        f"the waiver for {w['rule'].split()[-1]} lifts nothing, for {', '.join(kept[w['rule']])} "
        "keeps it on every host: waive the check that fails"
        for w in declared.waivers
        if w["rule"] in kept
    ]


@cache
def _content() -> dict[str, Any]:
    text = (ROLES / "hardening/vars/main/recommendations.yml").read_text("utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def ended_waivers(declared: Declared, today: date) -> list[str]:
    """What to say of the waivers of recommendations that have ended: each is a finding."""
    return [
        f"the waiver for {w['rule'].split()[-1]} ended on {w['until']}: renew it, or remove it"
        for w in declared.waivers
        if w["rule"].startswith("ANSSI-BP-028 ") and w["until"] < today.isoformat()
    ]
