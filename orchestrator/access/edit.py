"""Granting and revoking access: a change of people.yml that keeps whatever else stands there."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.environment import load_environment
from orchestrator.environment.lines import parse, read_text
from orchestrator.environment.spelling import remedy
from orchestrator.environment.ssh_keys import public_key
from orchestrator.environment.writing import replace_text_of
from orchestrator.errors import ConfigurationInvalid, PasInfraError, Problem

_PARTS = ("persons", "machines")
_FLOW = ("place", "rights", "hosts")  # on one line, as the examples have them


@dataclass(frozen=True)
class Change:
    """What people.yml says, and what it would say."""

    file: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            self.file.name,
            self.file.name,
        )
        return "".join(lines)

    def write(self) -> None:
        """Make the change; raises PasInfraError when the file is no longer what was shown."""
        replace_text_of(self.file, self.before, self.after)


def grant(directory: Path, person: Mapping[str, Any]) -> Change:
    """Declare a person, who has no account yet, in the environment of this directory.

    `person` is an entry of `persons` as people.yml has it. Raises ConfigurationInvalid when the
    environment would not be valid with it; nothing is written.
    """
    file, before, nodes = _read(directory)
    account = person["account"]
    known = dict(_accounts(nodes))
    if account in known:
        raise PasInfraError(
            f"`{account}` is declared already",
            where=f"{file}:{known[account][1].start_mark.line + 1}",
            next_step="change its entry there, or revoke it first",
        )
    persons = nodes["persons"]
    lines = before.splitlines(keepends=True)
    if persons.value:
        _refuse_flow(file, persons)
        # Below the last one's last line, not where its list ends: comments may stand between.
        at, indent = _last_line(persons.value[-1]) + 1, _dash(lines, persons.value[0])
        lines[at - 1] = lines[at - 1].rstrip("\n") + "\n"
    else:
        at, indent = persons.start_mark.line + 1, 2
        lines[at - 1] = lines[at - 1].replace("[]", "").rstrip() + "\n"
    lines[at:at] = [f"{' ' * indent}{line}\n" for line in _entry(person)]
    return _judged(Change(file, before, "".join(lines)))


def revoke(directory: Path, account: str, *, operator: str) -> Change:
    """Take a person or machine out of people.yml; `operator` is whoever asks for it.

    Raises PasInfraError for the operator's own account, ConfigurationInvalid when the environment
    would not be valid without it (the last administrator, Ansible's own account, an owner).
    """
    file, before, nodes = _read(directory)
    known = dict(_accounts(nodes))
    if account not in known:
        raise PasInfraError(
            f"`{account}` is not declared",
            where=file,
            next_step=remedy(account, known, f"name one of: {', '.join(known)}"),
        )
    part, node = known[account]
    if account == operator:
        raise PasInfraError(
            f"you are `{account}`: nobody revokes their own access",
            where=f"{file}:{node.start_mark.line + 1}",
            next_step="have another administrator do it",
        )
    _refuse_flow(file, nodes[part])
    lines = before.splitlines(keepends=True)
    # The block holds the comments among its lines; those above it may speak of more than it.
    first = node.start_mark.line
    while not lines[first].lstrip().startswith("-"):
        first -= 1
    del lines[first : _last_line(node) + 1]
    if len(nodes[part].value) == 1:
        key = next(i for i, line in enumerate(lines) if line.startswith(f"{part}:"))
        lines[key] = f"{part}: []\n"
    return _judged(Change(file, before, "".join(lines)))


def read_key(file: Path) -> str:
    """The public key in a file, as ssh-keygen writes it; raises PasInfraError for anything else."""
    text = file.read_text("utf-8", errors="replace").strip()
    try:
        if "PRIVATE KEY" in text:
            raise ValueError("is a private one, which nobody may be given")
        if len(text.splitlines()) > 1:
            raise ValueError("is not alone: the file has several lines")
        public_key(text)
    except ValueError as fault:
        raise PasInfraError(
            f"the key {fault}",
            where=f"{file}:1",
            next_step="name the .pub file of one key; `ssh-keygen -t ed25519-sk -O "
            "verify-required` makes one in a token, -t ed25519 one beside a one-time code",
        ) from None
    return text


def _read(directory: Path) -> tuple[Path, str, dict[str, yaml.SequenceNode]]:
    """The file, its text, and the nodes of its two lists; raises what keeps it from being read."""
    file = directory / "people.yml"
    text, problems = read_text(file)
    if text is None:
        raise ConfigurationInvalid(problems)
    _, problems = parse(file, text)
    if problems:
        raise ConfigurationInvalid(problems)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    nodes = {key.value: node for key, node in entries if isinstance(node, yaml.SequenceNode)}
    if not set(_PARTS) <= set(nodes):
        raise PasInfraError(
            "the file has no lists `persons` and `machines`",
            where=file,
            next_step="write `persons: []` and `machines: []`, see docs/reference/environment.md",
        )
    return file, text, nodes


def _accounts(
    nodes: Mapping[str, yaml.SequenceNode],
) -> Iterator[tuple[str, tuple[str, yaml.Node]]]:
    for part in _PARTS:
        for node in nodes[part].value:
            fields = node.value if isinstance(node, yaml.MappingNode) else []
            for key, value in fields:
                if key.value == "account":
                    yield str(value.value), (part, node)


def _refuse_flow(file: Path, node: yaml.SequenceNode) -> None:
    if node.flow_style:
        raise PasInfraError(
            "the list stands in brackets, which cannot be changed line by line",
            where=f"{file}:{node.start_mark.line + 1}",
            next_step="write one `- account:` block an entry, or change the file by hand",
        )


def _last_line(node: yaml.Node) -> int:
    """The last line (from 0) of a node's own text: a block's end mark lies behind its comments."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return max(_last_line(value) for value in node.value)
    # A scalar of several lines ends at the beginning of the line behind it.
    end = node.end_mark
    return end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line


def _dash(lines: Sequence[str], item: yaml.Node) -> int:
    return lines[item.start_mark.line].index("-")


def _entry(person: Mapping[str, Any]) -> Iterator[str]:
    first = "- "
    for key, value in person.items():
        if isinstance(value, list) and key not in _FLOW:
            yield f"{first}{key}:"
            yield from (f"    - {_inline(item)}" for item in value)
        else:
            yield f"{first}{key}: {_inline(value)}"
        first = "  "


def _inline(value: object) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000
    )
    return text.splitlines()[0]


def _judged(change: Change) -> Change:
    """The change, once it was found to bring no fault into the environment.

    One that is there already is no reason: where two accounts have ended, one goes after the other.
    """
    faults = _faults(change.file.parent, change.after)
    if faults:
        known = {fault.what for fault in _faults(change.file.parent, change.before)}
        new = [fault for fault in faults if fault.what not in known]
        if new:
            raise ConfigurationInvalid(new)
    return change


def _faults(directory: Path, text: str) -> Sequence[Problem]:
    try:
        load_environment(directory, drafts={"people": text})
    except ConfigurationInvalid as invalid:
        return invalid.problems
    return ()
