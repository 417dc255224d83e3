"""From the files of a valid environment to its dataclasses."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from orchestrator.environment.clients import build_clients
from orchestrator.environment.commitments import Commitments
from orchestrator.environment.data_sets import build_data_sets
from orchestrator.environment.flows import build_flows
from orchestrator.environment.inventory import Inventory, Setting, visible_groups
from orchestrator.environment.lines import Document
from orchestrator.environment.model import (
    ControlNode,
    Environment,
    Host,
    Lab,
    Place,
    Vault,
    Vaulted,
    Waiver,
)
from orchestrator.environment.nightly import Nightly
from orchestrator.environment.people import build_people
from orchestrator.environment.secret_store import secret_variables
from orchestrator.environment.shape import SchemaName
from orchestrator.environment.tracker_address import VulnerabilityData
from orchestrator.paths import state_directory


def build_environment(
    documents: Mapping[SchemaName, Document],
    inventory: Inventory,
    addresses: Mapping[str, str],
    lab: Lab | None,
) -> Environment:
    """The environment; every document was found valid before."""
    declared: Any = documents["environment"].data
    directory = documents["environment"].file.parent
    node = declared["control_node"]
    store = Path(node["store"]) if "store" in node else None
    contract = directory / declared["pas_document"] if "pas_document" in declared else None
    waivers: Any = documents["waivers"].data if "waivers" in documents else None
    sources = {document.file for document in (*documents.values(), *inventory.documents())}
    return Environment(
        name=directory.name,
        kind=declared["kind"],
        directory=directory,
        description=declared["description"],
        control_node=ControlNode(Place(**node["place"]), store, tuple(node.get("addresses", ()))),
        store_directory=store or state_directory() / "environments" / directory.name,
        pas_document=contract,
        vault=vault_of(documents["environment"]),
        hosts=tuple(
            _host(name, declared["hosts"][name], inventory, addresses) for name in inventory.hosts
        ),
        lab=lab,
        people=build_people(documents["people"]) if "people" in documents else None,
        waivers=tuple(_waiver(entry) for entry in waivers or ()),
        files=tuple(sorted(sources | ({contract} if contract else set()))),
        vulnerability_data=_vulnerability_data(declared.get("vulnerability_data", {})),
        flows=build_flows(documents["flows"]) if "flows" in documents else None,
        clients=build_clients(documents["clients"]) if "clients" in documents else (),
        secrets=secret_variables(inventory),
        commitments=Commitments(**declared.get("commitments", {})),
        registers_as_of=_day(declared.get("registers_as_of")),
        nightly=Nightly.from_data(declared.get("nightly", {})),
        data_sets=build_data_sets(documents["data_sets"]) if "data_sets" in documents else (),
    )


def vault_of(declared: Document) -> Vault | None:
    """The vault setting of an environment.yml, also of one with faults elsewhere."""
    given = declared.mapping("vault")
    file, command = given.get("password_file"), given.get("password_command")
    if isinstance(file, str):
        return Vault(declared.file.parent / Path(file).expanduser(), None)
    if isinstance(command, list) and command:
        return Vault(None, tuple(str(word) for word in command))
    return None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _vulnerability_data(declared: Any) -> VulnerabilityData:
    usual = VulnerabilityData()
    hours = declared.get("max_age_hours")
    return VulnerabilityData(
        url=declared.get("url", usual.url),
        max_age=timedelta(hours=hours) if hours else usual.max_age,
    )


def _host(name: str, declared: Any, inventory: Inventory, addresses: Mapping[str, str]) -> Host:
    return Host(
        name=name,
        address=addresses[name],
        groups=visible_groups(inventory.groups_of(name)),
        function=declared["function"],
        supplier=declared["supplier"],
        place=Place(**declared["place"]),
        variables={
            variable: _clear_of_secrets(setting)
            for variable, setting in inventory.merged(name).items()
        },
        addresses=tuple(declared.get("addresses", [addresses[name]])),
    )


def _clear_of_secrets(setting: Setting) -> object:
    return Vaulted(str(setting.document.file)) if setting.document.secret else setting.value


def _waiver(entry: Any) -> Waiver:
    return Waiver(
        rule=entry["rule"],
        reason=entry["reason"],
        compensating_measure=entry["compensating_measure"],
        approver=entry["approver"],
        until=date.fromisoformat(entry["until"]),
        hosts=tuple(entry["hosts"]) if "hosts" in entry else None,
    )
