"""Loading an environment as a whole: every file is read, every fault is found, nothing is run."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from orchestrator.environment.addresses import (
    addresses_of,
    declared_address_problems,
    foreign_address_problems,
    host_addresses,
)
from orchestrator.environment.build import build_environment, vault_of
from orchestrator.environment.clients import client_problems
from orchestrator.environment.data_sets import data_set_problems
from orchestrator.environment.declared_problems import contract_problems, kind_problems
from orchestrator.environment.find import find_environment
from orchestrator.environment.flow_problems import flow_problems_of
from orchestrator.environment.inventory import Inventory, read_inventory, read_variable_files
from orchestrator.environment.lines import Document, parse, read
from orchestrator.environment.machines import lab_problems, read_lab
from orchestrator.environment.model import Environment
from orchestrator.environment.people_problems import people_problems
from orchestrator.environment.registers import register_problems
from orchestrator.environment.roles_spec import read_roles, read_site
from orchestrator.environment.secret_store import read_secret_store
from orchestrator.environment.shape import SchemaName, shape_problems
from orchestrator.environment.spelling import did_you_mean, remedy
from orchestrator.environment.unlock_problems import unlock_key_problems
from orchestrator.environment.variables import missing_problems, variable_problems
from orchestrator.environment.vault import VaultOpener
from orchestrator.errors import ConfigurationInvalid, Problem
from orchestrator.paths import project_root

_REQUIRED: tuple[SchemaName, ...] = ("environment", "hosts")
_OPTIONAL: tuple[SchemaName, ...] = ("clients", "data_sets", "flows", "lab", "people", "waivers")
_FOLDERS = ("group_vars", "host_vars")
_RECOMMENDATION = re.compile(r"ANSSI-BP-028 R([1-9]|[1-7]\d|80)\Z")


def load_environment(
    name_or_path: str | Path,
    *,
    project: Path | None = None,
    today: date | None = None,
    drafts: Mapping[SchemaName, str] | None = None,
) -> Environment:
    """Load and validate an environment, by its name or its directory.

    `project` holds the `roles/` and `playbooks/` whose variables count (default: the program's
    own); `today` decides what has ended; `drafts` are texts to read in place of the files, so that
    a change can be judged before it is written. Nothing is executed but what the secret store needs
    and, when something is vaulted, the vault password command. Raises ConfigurationInvalid with
    every problem found, PasInfraError when there is no such environment.
    """
    directory = find_environment(name_or_path)
    problems: list[Problem] = list(_misnamed_files(directory))
    documents = _read_files(directory, drafts or {}, problems)
    faults = {name: shape_problems(document, name) for name, document in documents.items()}
    problems += [fault for found in faults.values() for fault in found]
    lab = None
    if "lab" in documents and not faults["lab"]:
        lab, found = read_lab(documents["lab"])
        problems += found
    if "hosts" not in documents:
        raise ConfigurationInvalid(problems)
    inventory, found = read_inventory(documents["hosts"])
    problems += found
    declared = documents.get("environment")
    sound = declared if not faults.get("environment") else None
    problems += _role_problems(inventory, declared, sound, project or project_root())
    addresses, found = host_addresses(inventory)
    problems += found
    if lab is not None:
        problems += lab_problems(documents["lab"], lab, inventory, addresses)
    if "waivers" in documents:
        problems += _waiver_problems(documents["waivers"], inventory)
    if "clients" in documents and not faults["clients"]:
        problems += client_problems(documents["clients"], inventory)
    if "data_sets" in documents and not faults["data_sets"]:
        problems += data_set_problems(documents["data_sets"], inventory)
    if "people" in documents and not faults["people"]:
        problems += _people_problems(documents, inventory, today or date.today())
        problems += unlock_key_problems(documents["people"], inventory)
    problems += register_problems(directory, today or date.today())
    if declared is not None:
        problems += _host_problems(declared, inventory)
        problems += kind_problems(declared, documents.get("lab"))
        problems += contract_problems(declared)
        found = list(declared_address_problems(declared, addresses))
        problems += found
        if "flows" in documents and not (found or faults["flows"] or faults["environment"]):
            problems += flow_problems_of(documents["flows"], declared, inventory, addresses)
        if declared.mapping().get("kind") == "lab":
            problems += _production_problems(
                directory, [*documents.values(), *inventory.documents()]
            )
    if problems:
        raise ConfigurationInvalid(list(dict.fromkeys(problems)))
    return build_environment(documents, inventory, addresses, lab)


def _read_files(
    directory: Path, drafts: Mapping[SchemaName, str], problems: list[Problem]
) -> dict[SchemaName, Document]:
    """The declarations that can be read, also those of a wrong shape."""
    documents: dict[SchemaName, Document] = {}
    for name in (*_REQUIRED, *_OPTIONAL):
        file = directory / f"{name}.yml"
        if name in _OPTIONAL and name not in drafts and not file.exists():
            continue
        document, found = parse(file, drafts[name]) if name in drafts else read(file)
        problems += found
        if document is not None:
            documents[name] = document
    return documents


def _misnamed_files(directory: Path) -> Iterator[Problem]:
    """What would be ignored in silence because its name is not quite right."""
    known = {name: f"{name}.yml" for name in (*_REQUIRED, *_OPTIONAL)} | {
        name: f"{name}/" for name in _FOLDERS
    }
    for entry in sorted(directory.iterdir()):
        if entry.suffix not in {"", ".yml", ".yaml"} or entry.name.startswith("."):
            continue
        meant = did_you_mean(entry.stem, known)
        if meant and entry.name != known[meant].rstrip("/"):
            yield Problem(
                entry, None, "nothing reads a file of this name", f"did you mean `{known[meant]}`?"
            )


def _role_problems(
    inventory: Inventory, declared: Document | None, sound: Document | None, project: Path
) -> Iterator[Problem]:
    """Read all variables into the inventory, and hold them against the roles.

    `sound` is `declared` where it has its shape: nothing else is asked for secrets.
    """
    faults = _read_variables(inventory, declared, inventory.document.file.parent)
    if sound is not None:
        faults += read_secret_store(sound, inventory)
    yield from faults
    roles, found = read_roles(project)
    yield from found
    plays, found = read_site(project)
    yield from found
    extra = declared.mapping().get("variables", []) if declared else None
    names = [str(name) for name in extra] if isinstance(extra, list) else None
    yield from variable_problems(inventory.settings(), roles, names)
    # What stands in a file or a store that cannot be read is not missing.
    if not faults and (sound is declared or not (declared and "secrets" in declared.mapping())):
        yield from missing_problems(inventory, roles, plays)


def _read_variables(
    inventory: Inventory, declared: Document | None, directory: Path
) -> list[Problem]:
    if declared is None:
        return read_variable_files(inventory, directory, lambda *_: None)
    where = (declared.file, declared.line(("vault",)))
    opener = VaultOpener(vault_of(declared), directory, where)
    problems = read_variable_files(inventory, directory, opener.open)
    for document in inventory.documents():
        for keys, ciphertext in document.vaulted.items():
            opener.open(ciphertext, document.file, document.line(keys))
    return problems + opener.problems


def _host_problems(declared: Document, inventory: Inventory) -> Iterator[Problem]:
    entries = declared.mapping("hosts")
    for host in sorted(set(inventory.hosts) - set(entries)):
        yield inventory.document.problem(
            inventory.hosts[host].keys,
            f"the host {host} has no entry under `hosts` in environment.yml",
            remedy(
                host, set(entries) - set(inventory.hosts), "add its function, supplier and place"
            ),
        )
    for host in sorted(set(entries) - set(inventory.hosts)):
        yield declared.problem(
            ("hosts", host),
            f"the host {host} is not in hosts.yml",
            remedy(host, set(inventory.hosts) - set(entries), "add it there, or remove it here"),
        )


def _production_problems(directory: Path, own: Iterable[Document]) -> Iterator[Problem]:
    """Where a lab, by its `own` files, names what a production environment beside it uses."""
    foreign: dict[str, str] = {}
    for sibling in sorted(directory.parent.iterdir()):
        if sibling == directory or not (sibling / "environment.yml").exists():
            continue
        declared, faults = read(sibling / "environment.yml")
        if declared is not None and declared.mapping().get("kind") == "lab":
            continue
        hosts, more = read(sibling / "hosts.yml")
        for fault in [*faults, *more]:
            yield Problem(
                fault.file,
                fault.line,
                f"{fault.what}; so nothing proves that the lab leaves {sibling.name} alone",
                fault.next_step,
            )
        if hosts is not None:
            other, _ = read_inventory(hosts)
            read_variable_files(other, sibling, lambda *_: None)
            foreign |= dict.fromkeys(addresses_of(other), sibling.name)
    yield from foreign_address_problems(own, foreign)


def _people_problems(
    documents: Mapping[SchemaName, Document], inventory: Inventory, today: date
) -> Iterator[Problem]:
    waivers: Any = documents["waivers"].data if "waivers" in documents else None
    waived = {
        str(entry.get("rule")): _day(entry.get("until"))
        for entry in (waivers if isinstance(waivers, list) else ())
        if isinstance(entry, dict)
    }
    variables = {
        host: {name: setting.value for name, setting in inventory.merged(host).items()}
        for host in inventory.hosts
    }
    yield from people_problems(
        documents["people"], sorted(inventory.hosts), variables, waived, today
    )


def _day(text: object) -> date:
    """The day of a waiver; one that is no date is a fault of the waiver's shape, told there."""
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return date.max


def _waiver_problems(document: Document, inventory: Inventory) -> Iterator[Problem]:
    waivers = document.data if isinstance(document.data, list) else []
    for index, waiver in enumerate(waivers):
        rule = waiver.get("rule") if isinstance(waiver, dict) else None
        if isinstance(rule, str) and rule.startswith("ANSSI") and not _RECOMMENDATION.match(rule):
            yield document.problem(
                (index, "rule"),
                f"`{rule}` is no recommendation of ANSSI-BP-028",
                "write `ANSSI-BP-028 R1` to `ANSSI-BP-028 R80`",
            )
        hosts = waiver.get("hosts") if isinstance(waiver, dict) else None
        for position, host in enumerate(hosts if isinstance(hosts, list) else []):
            if host not in inventory.hosts:
                yield document.problem(
                    (index, "hosts", position),
                    f"the waiver names `{host}`, which is no host of this environment",
                    remedy(str(host), inventory.hosts, "name a host of hosts.yml"),
                )
