"""The clients of clients.yml: what must not stand there beyond its shape, and their dataclasses."""

from collections.abc import Iterator
from typing import Any

from orchestrator.environment.inventory import Inventory
from orchestrator.environment.lines import Document
from orchestrator.environment.model import Client
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem


def build_clients(document: Document) -> tuple[Client, ...]:
    """What a document without problems declares."""
    data: Any = document.data
    return tuple(Client.from_data(entry) for entry in data["clients"])


def client_problems(document: Document, inventory: Inventory) -> Iterator[Problem]:
    """Clients of one name, and such on a host that there is not."""
    data: Any = document.data
    seen: set[str] = set()
    for index, entry in enumerate(data["clients"]):
        if entry["name"] in seen:
            yield document.problem(
                ("clients", index, "name"),
                f"there is a client `{entry['name']}` already",
                "give each a name of their own, also on different hosts",
            )
        seen.add(entry["name"])
        if entry["host"] not in inventory.hosts:
            yield document.problem(
                ("clients", index, "host"),
                f"the client `{entry['name']}` lies on `{entry['host']}`, which is no host of this "
                "environment",
                remedy(entry["host"], inventory.hosts, "name a host of hosts.yml"),
            )
