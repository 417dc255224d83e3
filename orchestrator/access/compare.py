"""What the hosts say against what people.yml declares: account by account, in words."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.access.live import Key, LiveAccount, Rule
from orchestrator.environment import MachineAccount, People, Person, PublicKey, Right

# Groups of the role `accounts` by which it knows whom it made: they carry no right of their own.
_OURS = "pas-"
_ESCAPED = re.compile(r"\\([,:=\\])")
_OPTION = re.compile(r'(\w[\w-]*)(?:="((?:[^"\\]|\\.)*)")?')


class State(StrEnum):
    """What an account is, compared with the declaration."""

    DECLARED = "declared"
    DIFFERING = "differing"
    UNDECLARED = "undeclared"
    MISSING = "missing"


@dataclass(frozen=True)
class Line:
    """One account on one host; `deviations` says in words what is not as declared.

    `rights` are those that it is given, as people.yml describes them.
    """

    host: str
    account: str
    state: State
    deviations: tuple[str, ...]
    live: LiveAccount | None
    declared: Person | MachineAccount | None
    rights: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """The person, or what the machine account is for; of a stranger what the host says."""
        match self.declared:
            case Person(name=name):
                return name
            case MachineAccount(purpose=purpose):
                return purpose
            case _:
                return self.live.name if self.live else ""


def compare(
    host: str,
    live: Sequence[LiveAccount],
    people: People,
    *,
    resolved_keys: Mapping[str, Sequence[PublicKey]],
    system_shells: Collection[str] = (),
    declared_ways: Collection[str] = (),
) -> list[Line]:
    """Every account of the host and every account declared for it, declared ones first.

    `resolved_keys` are the keys of the variables that machine accounts name; `system_shells` the
    accounts of the system that may have a shell, `declared_ways` the ways in that are declared
    besides keys, as `sshd -T` names them.
    """
    there: dict[str, LiveAccount] = {}
    # Of two entries of one name the system takes the first: the other is nobody's.
    twice = [one for one in live if there.setdefault(one.account, one) is not one]
    lines = []
    for one in people.on(host):
        found = there.pop(one.account, None)
        rights = tuple(right.description for right in _rights(one, people))
        if found is None:
            absent = "declared, but no account there by which anything could be done"
            lines.append(Line(host, one.account, State.MISSING, (absent,), None, one, rights))
            continue
        keys = one.keys
        if isinstance(one, MachineAccount) and one.keys_variable:
            keys = tuple(resolved_keys.get(one.keys_variable, ()))
        ways = tuple(way for way in found.other_ways if way not in declared_ways)
        what = tuple(_deviations(replace(found, other_ways=ways), one, keys, people))
        state = State.DIFFERING if what else State.DECLARED
        lines.append(Line(host, one.account, state, what, found, one, rights))
    for stranger in (*there.values(), *twice):
        what = tuple(_powers(stranger))
        if stranger in twice:
            what = ("is a second entry of this name", *what)
        if stranger.account in system_shells and what == ("has a shell",):
            lines.append(Line(host, stranger.account, State.DECLARED, (), stranger, None))
        else:
            lines.append(Line(host, stranger.account, State.UNDECLARED, what, stranger, None))
    return lines


def _deviations(
    live: LiveAccount, one: Person | MachineAccount, keys: Sequence[PublicKey], people: People
) -> Iterator[str]:
    if live.uid == 0:
        yield "is root by another name (uid 0)"
    if live.password == "empty":  # noqa: S105 - the word for it, not one
        yield "its password is empty"
    if not live.ssh:
        yield "sshd does not let it in"
    if not live.shell:
        yield "has no shell, so it can do nothing"
    if live.valid_until is None:
        yield f"never ends, declared until {one.valid_until}"
    elif live.valid_until != one.valid_until:
        yield f"valid until {live.valid_until}, declared until {one.valid_until}"
    yield from (f"gets in by {way}" for way in live.other_ways)
    yield from _key_deviations(live.keys, keys)
    if isinstance(one, Person):
        if live.second_factor != one.second_factor:
            yield f"second factor {live.second_factor}, declared {one.second_factor}"
        groups = {
            group for right in people.rights if right.name in one.rights for group in right.groups
        }
    else:
        if live.has_password:
            yield f"has a password ({live.password}), which no machine account may have"
        yield from _binding_deviations(live.keys, one)
    yield from _sudo_deviations(live.sudo, _rules(one, people))
    groups = {group for right in _rights(one, people) for group in right.groups}
    held = {group for group in live.groups if not group.startswith(_OURS)} - {live.account}
    yield from (f"is in the group {group}, undeclared" for group in sorted(held - groups))
    yield from (f"is not in the group {group}" for group in sorted(groups - held))


def _powers(live: LiveAccount) -> Iterator[str]:
    """By what an account that nobody declared could do something."""
    if live.uid == 0 and live.account != "root":
        yield "is root by another name (uid 0)"
    if live.account == "root":
        if live.has_password:
            yield f"has a password ({live.password})"
    else:
        if live.shell:
            yield "has a shell"
        if live.has_password:
            yield f"has a password ({live.password})"
        yield from (f"may run {rule}" for rule in live.sudo)
    yield from (f"has the key {_named(key)}" for key in live.keys)


def _key_deviations(live: Sequence[Key], declared: Sequence[PublicKey]) -> Iterator[str]:
    known = {key.fingerprint for key in declared}
    there = {key.fingerprint for key in live}
    for key in live:
        if key.fingerprint not in known:
            yield f"has the key {_named(key)}, undeclared"
    for wanted in declared:
        if wanted.fingerprint not in there:
            yield f"lacks the key {wanted.fingerprint} {wanted.comment}".rstrip()


def _binding_deviations(live: Sequence[Key], one: MachineAccount) -> Iterator[str]:
    """What a machine's key is not bound to: where it comes from, what it may run."""
    for key in live:
        options = dict(_OPTION.findall(key.options))
        origins = tuple(filter(None, options.get("from", "").split(",")))
        if set(origins) != set(one.origins):
            bound = f"bound to {', '.join(origins)}" if origins else "not bound to an address"
            yield f"its key {key.fingerprint} is {bound}, declared {', '.join(one.origins)}"
        command = options.get("command") or None
        if command != one.forced_command:
            forced = f"forced to `{command}`" if command else "free to run anything"
            declared = f"`{one.forced_command}`" if one.forced_command else "no forced command"
            yield f"its key {key.fingerprint} is {forced}, declared {declared}"


def _rights(one: Person | MachineAccount, people: People) -> list[Right]:
    given = one.rights if isinstance(one, Person) else ()
    return [right for right in people.rights if right.name in given]


def _rules(one: Person | MachineAccount, people: People) -> list[Rule]:
    """What sudo is to allow, as the role `accounts` writes it: a person gives their password."""
    person = isinstance(one, Person)
    if people.administers(one):
        return [Rule("root", person, True, "ALL")]  # noqa: FBT003 - may start anything
    if isinstance(one, MachineAccount):
        granted = [(line, True) for line in one.sudo]
    else:
        granted = [(line, right.exec) for right in _rights(one, people) for line in right.sudo]
    # A command line without arguments is one that takes none, which sudoers writes `""`.
    return [
        Rule("root", person, others, line if " " in line else f'{line} ""')
        for line, others in granted
    ]


def _sudo_deviations(live: Sequence[Rule], declared: Sequence[Rule]) -> Iterator[str]:
    held = {_plain(rule): rule for rule in live}
    yield from (f"may run {rule}: undeclared" for rule in live if _plain(rule) not in declared)
    yield from (f"may not run {rule}" for rule in declared if rule not in held)


def _plain(rule: Rule) -> Rule:
    """The rule as people.yml would have it: unescaped, and who is root may be anybody anyway."""
    command = _ESCAPED.sub(r"\1", rule.command)
    everything = command == "ALL" and rule.run_as in ("ALL", "ALL : ALL")
    return replace(rule, command=command, run_as="root" if everything else rule.run_as)


def _named(key: Key) -> str:
    return f"{key.fingerprint} {key.comment}".rstrip() + f" ({key.kind}, {key.file})"
