"""hosts.yml, group_vars/ and host_vars/: who is in which group, and which setting wins.

The order is Ansible's own, which is not quite "child over parent": the files of group_vars/ win
over every `vars:` of hosts.yml.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.environment.lines import VAULT_HEADER, Document, Keys, parse, read_text
from orchestrator.environment.shape import kind_of
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem

_EXTENSIONS = ("", ".yml", ".yaml", ".json")
_IMPLIED_GROUPS = {"all", "ungrouped"}

Open = Callable[[str, Path, int | None], str | None]


@dataclass(frozen=True)
class Setting:
    """One variable given a value in one place."""

    name: str
    value: object
    document: Document
    keys: Keys

    def problem(self, what: str, next_step: str, within: Keys = ()) -> Problem:
        """A problem with the value, or with what lies `within` it."""
        return self.document.problem((*self.keys, *within), what, next_step)


@dataclass
class Group:
    """A group; `settings` come from hosts.yml and `files` from group_vars/."""

    name: str
    keys: Keys
    priority: int = 1
    parents: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    settings: dict[str, Setting] = field(default_factory=dict)
    files: list[Document] = field(default_factory=list)


@dataclass
class Inventory:
    """The groups and hosts of an environment, with the place of every setting."""

    document: Document
    groups: dict[str, Group]
    hosts: dict[str, Group] = field(default_factory=dict)  # a host is a group of one
    secrets: dict[str, Document] = field(default_factory=dict)  # from the secret store, by owner

    def groups_of(self, host: str) -> list[Group]:
        """The groups of a host in the order in which their settings apply."""
        direct = {group.name for group in self.groups.values() if host in group.hosts}
        names = {"all"} | (direct if direct - {"all"} else {"ungrouped"})
        pending = set(names)
        while pending:
            pending = {parent for name in pending for parent in self.groups[name].parents} - names
            names |= pending
        return sorted(
            (self.groups[name] for name in names),
            key=lambda group: (self._depth(group.name), group.priority, group.name),
        )

    def merged(self, host: str) -> dict[str, Setting]:
        """The settings of a host, by variable; the last one wins."""
        groups, own = self.groups_of(host), self.hosts[host]
        layers = [group.settings for group in groups]
        layers += [settings_of(document) for group in groups for document in group.files]
        layers += [own.settings, *(settings_of(document) for document in own.files)]
        return {name: setting for layer in layers for name, setting in layer.items()}

    def settings(self) -> Iterator[Setting]:
        """Every setting, also those that another one overrides."""
        for group in (*self.groups.values(), *self.hosts.values()):
            yield from group.settings.values()
            for document in group.files:
                yield from settings_of(document).values()

    def documents(self) -> Iterator[Document]:
        """hosts.yml and every file of variables."""
        yield self.document
        for group in (*self.groups.values(), *self.hosts.values()):
            yield from group.files

    def matching(self, pattern: str) -> set[str]:
        """The hosts of a play's pattern; every host when the pattern is more than a list."""
        found: set[str] = set()
        for part in pattern.replace(":", ",").split(","):
            name = part.strip()
            if name in self.hosts:
                found.add(name)
            elif name in self.groups and name != "all":
                found |= {host for host in self.hosts if self.groups[name] in self.groups_of(host)}
            else:
                return set(self.hosts)
        return found

    def _depth(self, name: str) -> int:
        if name == "all":
            return 0
        return 1 + max((self._depth(parent) for parent in self.groups[name].parents), default=0)


def visible_groups(groups: Iterable[Group]) -> tuple[str, ...]:
    """The names of the groups that somebody made."""
    return tuple(group.name for group in groups if group.name not in _IMPLIED_GROUPS)


def settings_of(document: Document, *keys: str) -> dict[str, Setting]:
    """The variables that the mapping at `keys` sets."""
    return {
        name: Setting(name, value, document, (*keys, name))
        for name, value in document.mapping(*keys).items()
    }


def read_inventory(document: Document) -> tuple[Inventory, list[Problem]]:
    """The inventory in hosts.yml; what is misshapen is left out (its schema reports it)."""
    inventory = Inventory(
        document, {"all": Group("all", ("all",)), "ungrouped": Group("ungrouped", ())}
    )
    problems: list[Problem] = []
    for name in document.mapping():
        _read_group(inventory, (name,), (), problems)
    return inventory, problems


def _read_group(
    inventory: Inventory, keys: tuple[str, ...], around: tuple[str, ...], problems: list[Problem]
) -> None:
    name, document = keys[-1], inventory.document
    group = inventory.groups.setdefault(name, Group(name, keys))
    if around:
        if name in _ancestors(inventory, around[-1]):
            problems.append(
                document.problem(keys, f"the group `{name}` contains itself", "take it out")
            )
            return
        group.parents.add(around[-1])
    for host in document.mapping(*keys, "hosts"):
        place = (*keys, "hosts", host)
        group.hosts.add(host)
        inventory.hosts.setdefault(host, Group(host, place)).settings |= settings_of(
            document, *place
        )
    group.settings |= settings_of(document, *keys, "vars")
    # Ansible takes this one out of the variables: it orders groups of the same depth.
    priority = group.settings.pop("ansible_group_priority", None)
    if priority and isinstance(priority.value, int):
        group.priority = priority.value
    for child in document.mapping(*keys, "children"):
        _read_group(inventory, (*keys, "children", child), (*around, name), problems)


def _ancestors(inventory: Inventory, name: str) -> set[str]:
    names, pending = {name}, {name}
    while pending:
        pending = {p for n in pending for p in inventory.groups[n].parents} - names
        names |= pending
    return names


def read_variable_files(inventory: Inventory, directory: Path, open_vault: Open) -> list[Problem]:
    """Attach the files of group_vars/ and host_vars/; return their faults.

    `open_vault` decrypts a file that is vaulted as a whole; it reports its own problems.
    """
    problems: list[Problem] = []
    for folder, noun, owners in (
        ("group_vars", "group", inventory.groups),
        ("host_vars", "host", inventory.hosts),
    ):
        seen: dict[str, Path] = {}
        for entry in _entries(directory / folder):
            owner = entry.name if entry.is_dir() else entry.stem
            if owner not in owners:
                what = f"there is no {noun} `{owner}`, so nothing reads this"
                next_step = remedy(owner, owners, f"name it after a {noun} of hosts.yml")
                problems.append(Problem(entry, None, what, next_step))
                continue
            if owner in seen:
                what = f"Ansible would read only one of {seen[owner].name} and {entry.name}"
                problems.append(Problem(entry, None, what, "merge them into one"))
            seen[owner] = entry
            for file in _files(entry):
                document, found = _read_variables(file, open_vault)
                problems += found
                if document is not None:
                    owners[owner].files.append(document)
    return problems


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [entry for entry in sorted(folder.iterdir()) if _is_read(entry)]


def _is_read(entry: Path) -> bool:
    """Whether Ansible reads the entry: it skips hidden files, backups and other extensions."""
    if entry.name.startswith(".") or entry.name.endswith("~"):
        return False
    return entry.suffix == "" if entry.is_dir() else entry.suffix in _EXTENSIONS


def _files(entry: Path) -> list[Path]:
    if not entry.is_dir():
        return [entry]
    return [file for inner in _entries(entry) for file in _files(inner)]


def _read_variables(file: Path, open_vault: Open) -> tuple[Document | None, list[Problem]]:
    text, problems = read_text(file)
    if text is None:
        return None, problems
    secret = text.startswith(VAULT_HEADER)
    if secret:
        text = open_vault(text, file, 1)
        if text is None:
            return None, []
    document, problems = parse(file, text, secret=secret)
    if document is not None and not isinstance(document.data, dict | None):
        kind = kind_of(document.data)
        what = f"a file of variables must be a mapping, but is {kind}"
        problems.append(document.problem((), what, "write `name: value` lines"))
    return document, problems
