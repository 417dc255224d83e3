"""The data sets of data_sets.yml: what must not stand there, and their dataclasses."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from orchestrator.environment.data_set import DataSet
from orchestrator.environment.inventory import Inventory
from orchestrator.environment.lines import Document
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem

# Where the clients' volumes are mounted, on every host.
CLIENTS = PurePosixPath("/srv/clients")


def build_data_sets(document: Document) -> tuple[DataSet, ...]:
    """What a document without problems declares."""
    data: Any = document.data
    return tuple(
        DataSet(
            entry["name"],
            entry["title"],
            entry["host"],
            tuple(entry["paths"]),
            tuple(entry.get("exclude", ())),
            dict(entry["needs"]),
        )
        for entry in data["data_sets"]
    )


def data_set_problems(document: Document, inventory: Inventory) -> Iterator[Problem]:
    """Two data sets of one name on a host, such on a host that there is not, and clients' data."""
    data: Any = document.data
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(data["data_sets"]):
        name, host = entry["name"], entry["host"]
        if (host, name) in seen:
            yield document.problem(
                ("data_sets", index, "name"),
                f"{host} has a data set `{name}` already",
                "give each of a host a name of its own: it is that of its repository",
            )
        seen.add((host, name))
        for number, path in enumerate(entry["paths"]):
            place = PurePosixPath(path)
            if CLIENTS in (place, *place.parents) or place in CLIENTS.parents:
                yield document.problem(
                    ("data_sets", index, "paths", number),
                    f"{path} has what is the clients' in it: kept under the host's key, it would "
                    "outlast the erasure of their keys",
                    f"leave {CLIENTS} out: what clients.yml declares is backed up by itself, each "
                    "client under a key of its own",
                )
        if host not in inventory.hosts:
            yield document.problem(
                ("data_sets", index, "host"),
                f"the data set `{name}` lies on `{host}`, which is no host of this environment",
                remedy(host, inventory.hosts, "name a host of hosts.yml"),
            )
