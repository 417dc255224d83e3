"""Who can do what on the hosts, as the hosts themselves say: asked over SSH, side by side."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestrator.engine import Connection, Question, ask, printable

_COLLECTOR = Path(__file__).with_name("collect.py")
_COMMAND = "sudo -n python3 -I -"
_PATIENCE = 180.0  # seconds for all that a host is asked


@dataclass(frozen=True)
class Key:
    """A key that sshd accepts for an account, and the file on the host that holds it."""

    kind: str
    fingerprint: str
    options: str
    comment: str
    file: str


@dataclass(frozen=True)
class Rule:
    """A command that sudo allows; `run_as` is `root`, or `ALL : ALL` and the like.

    `exec` says whether the command may start further programs.
    """

    run_as: str
    password: bool
    exec: bool
    command: str

    def __str__(self) -> str:
        what = "everything" if self.command == "ALL" else self.command
        whom = "anybody" if self.run_as.startswith("ALL") else self.run_as
        others = ", starting others" if self.exec and self.command != "ALL" else ""
        return f"{what} as {whom}{others}{'' if self.password else ', no password'}"


@dataclass(frozen=True)
class LiveAccount:
    """An account of a host by which somebody could do something there.

    `password` names the hash that it is kept by, or says `none`, `locked` or `empty`; `ssh` whether
    sshd lets the account in; `other_ways` by what besides its keys; `valid_until` the last day.
    """

    account: str
    uid: int
    name: str
    shell: bool
    password: str
    valid_until: date | None
    groups: tuple[str, ...]
    ssh: bool
    second_factor: str
    other_ways: tuple[str, ...]
    keys: tuple[Key, ...]
    sudo: tuple[Rule, ...]
    last_login: str | None

    @property
    def has_password(self) -> bool:
        """Whether a password opens the account."""
        return self.password not in ("none", "locked")


@dataclass(frozen=True)
class Live:
    """The accounts of each host that answered; `missing` says of the others why not."""

    accounts: Mapping[str, tuple[LiveAccount, ...]]
    missing: Mapping[str, str]


def live_access(connections: Iterable[Connection]) -> Live:
    """Ask every host, in one round trip each."""
    question = Question(
        "its accounts",
        _COMMAND,
        accounts_of,
        script=_COLLECTOR.read_text("utf-8"),
        patience=_PATIENCE,
    )
    return Live(*ask(connections, question))


def accounts_of(answer: str) -> tuple[LiveAccount, ...]:
    """The accounts in what the collector printed; raises ValueError when it is something else."""
    try:
        return tuple(_account(entry) for entry in _printable(json.loads(answer)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("what it answers is no list of accounts") from error


def _account(entry: Mapping[str, Any]) -> LiveAccount:
    last = entry["valid_until"]
    return LiveAccount(
        **{
            **entry,
            "valid_until": date.fromisoformat(last) if last else None,
            "groups": tuple(entry["groups"]),
            "other_ways": tuple(entry["other_ways"]),
            "keys": tuple(Key(**key) for key in entry["keys"]),
            "sudo": tuple(Rule(**rule) for rule in entry["sudo"]),
        }
    )


def _printable(data: Any) -> Any:
    """The same without what would speak to the terminal of whoever reads it."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, list):
        return [_printable(each) for each in data]
    if isinstance(data, dict):
        return {key: _printable(value) for key, value in data.items()}
    return data
