"""What must not stand in people.yml, beyond its shape: each fault with its line."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from ipaddress import ip_network
from typing import Any

from orchestrator.environment.lines import Document, Keys
from orchestrator.environment.spelling import remedy
from orchestrator.environment.ssh_keys import public_key
from orchestrator.errors import Problem

# Names that Debian's base-passwd, systemd and our own roles give to accounts of the system.
SYSTEM_ACCOUNTS = {
    *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp"),
    *("proxy", "www-data", "backup", "list", "irc", "nobody", "messagebus", "sshd", "postfix"),
    *("polkitd", "clamav", "debian-exim"),
}
SYSTEM_PREFIXES = ("systemd-", "_")
SECOND_FACTOR_RULE = "second_factor:"
# Prefixes of the widest networks, by version of IP, that a machine's keys may be bound to.
WIDEST = {4: 24, 6: 64}


def people_problems(
    document: Document,
    hosts: Sequence[str],
    variables: Mapping[str, Mapping[str, object]],
    waived: Mapping[str, date],
    today: date,
) -> Iterator[Problem]:
    """Every fault that its shape does not show.

    `variables` are those of each host, `waived` the last day of each waived rule.
    """
    data: Any = document.data
    entries = [
        ((part, index), entry)
        for part in ("persons", "machines")
        for index, entry in enumerate(data[part])
    ]
    yield from _account_problems(document, entries)
    yield from _key_problems(document, entries)
    for keys, entry in entries:
        for position, host in enumerate(entry.get("hosts", ())):
            if host not in hosts:
                yield document.problem(
                    (*keys, "hosts", position),
                    f"{entry['account']} is declared for `{host}`, no host of this environment",
                    remedy(host, hosts, "name a host of hosts.yml"),
                )
        if date.fromisoformat(entry["valid_until"]) < today:
            yield document.problem(
                (*keys, "valid_until"),
                f"the account {entry['account']} ended on {entry['valid_until']}",
                "remove the entry: the next apply removes the account; or prolong it",
            )
    for index, entry in enumerate(data["persons"]):
        yield from _person_problems(document, ("persons", index), entry, data["rights"])
    owners = [entry["account"] for entry in data["persons"]]
    for index, entry in enumerate(data["machines"]):
        keys = ("machines", index)
        yield from _machine_problems(document, keys, entry, owners)
        yield from _waiver_problems(document, keys, entry, waived, today)
    yield from _administrator_problems(document, data, hosts, variables)


def _account_problems(document: Document, entries: Sequence[tuple[Keys, Any]]) -> Iterator[Problem]:
    seen: dict[str, Keys] = {}
    for keys, entry in entries:
        account = entry["account"]
        where = (*keys, "account")
        if account in SYSTEM_ACCOUNTS or account.startswith(SYSTEM_PREFIXES):
            yield document.problem(
                where, f"`{account}` is an account of the system", "choose another name"
            )
        first = seen.setdefault(account, where)
        if first != where:
            yield document.problem(
                where,
                f"the account `{account}` is declared twice (first in line {document.line(first)})",
                "give each person and each machine an account of their own",
            )


def _key_problems(document: Document, entries: Sequence[tuple[Keys, Any]]) -> Iterator[Problem]:
    seen: dict[str, tuple[str, Keys]] = {}
    for keys, entry in entries:
        for position, line in enumerate(entry.get("keys", ())):
            where = (*keys, "keys", position)
            try:
                key = public_key(line)
            except ValueError as fault:
                yield document.problem(
                    where,
                    f"a key of {entry['account']} {fault}",
                    "make one by `ssh-keygen -t ed25519-sk -O verify-required`, or -t ed25519",
                )
                continue
            account, first = seen.setdefault(key.fingerprint, (entry["account"], where))
            if first != where:
                yield document.problem(
                    where,
                    f"the key {key.fingerprint} of {entry['account']} is {account}'s already "
                    f"(line {document.line(first)})",
                    "a key belongs to one account, once",
                )


def _person_problems(
    document: Document, keys: Keys, entry: Any, rights: Mapping[str, Any]
) -> Iterator[Problem]:
    for position, name in enumerate(entry["rights"]):
        if name not in rights:
            yield document.problem(
                (*keys, "rights", position),
                f"{entry['account']} is given the right `{name}`, which is not declared",
                remedy(name, rights, f"use one of: {', '.join(rights)}"),
            )
    if entry["second_factor"] != "fido2":
        return
    for position, line in enumerate(entry["keys"]):
        if not line.startswith("sk-"):
            yield document.problem(
                (*keys, "keys", position),
                f"{entry['account']}'s second factor is fido2, but this key lies in no token",
                "enrol a token (`ssh-keygen -t ed25519-sk -O verify-required`), or use totp",
            )


def _machine_problems(
    document: Document, keys: Keys, entry: Any, owners: Sequence[str]
) -> Iterator[Problem]:
    account = entry["account"]
    if entry["owner"] not in owners:
        yield document.problem(
            (*keys, "owner"),
            f"{account} belongs to `{entry['owner']}`, which is no person's account",
            remedy(entry["owner"], owners, "name the account of the person who answers for it"),
        )
    if ("keys" in entry) == ("keys_variable" in entry):
        yield document.problem(
            keys, f"{account} needs either `keys` or `keys_variable`", "give one of the two"
        )
    if "sudo" in entry and "forced_command" in entry:
        yield document.problem(
            (*keys, "forced_command"),
            f"{account} has a forced command and sudo rights",
            "give one: what the forced command may do as root belongs into the command",
        )
    if "sudo" not in entry and "forced_command" not in entry:
        yield document.problem(
            keys,
            f"{account} may run whatever it likes: it has neither a forced command nor sudo rights",
            "give one: a machine is there for one thing",
        )
    for position, origin in enumerate(entry["from"]):
        try:
            network = ip_network(origin)
        except ValueError:
            yield document.problem(
                (*keys, "from", position),
                f"`{origin}` is no address and no network",
                "write 192.0.2.7, 192.0.2.0/28 or 2001:db8::7",
            )
            continue
        if network.prefixlen < WIDEST[network.version]:
            yield document.problem(
                (*keys, "from", position),
                f"`{origin}` is so wide that the keys of {account} are bound to nowhere",
                f"name the machine's address, or a network of /{WIDEST[network.version]} at most",
            )


def _waiver_problems(
    document: Document, keys: Keys, entry: Any, waived: Mapping[str, date], today: date
) -> Iterator[Problem]:
    rule = f"{SECOND_FACTOR_RULE}{entry['account']}"
    until = waived.get(rule)
    if until is None or until < today:
        ended = "is not waived" if until is None else f"was waived until {until}"
        yield document.problem(
            (*keys, "account"),
            f"{entry['account']} has no second factor, and that {ended}",
            f"have it approved: an entry `rule: {rule}` in waivers.yml",
        )


def _administrator_problems(
    document: Document,
    data: Any,
    hosts: Sequence[str],
    variables: Mapping[str, Mapping[str, object]],
) -> Iterator[Problem]:
    """Nobody may be locked out of a host: neither every administrator nor Ansible itself."""
    every = {name for name, right in data["rights"].items() if "ALL" in right.get("sudo", ())}
    for host in hosts:
        here = {
            part: [entry for entry in data[part] if host in entry.get("hosts", [host])]
            for part in ("persons", "machines")
        }
        if not any(every & set(entry["rights"]) for entry in here["persons"]):
            yield document.problem(
                ("persons",),
                f"nobody would administer {host}: no person there has a right with `sudo: [ALL]`",
                "keep one administrator a host",
            )
        user = variables.get(host, {}).get("ansible_user")
        if not isinstance(user, str) or user == "root" or "{{" in user:
            continue
        able = {entry["account"] for entry in here["machines"] if "ALL" in entry.get("sudo", ())}
        if user not in able:
            yield document.problem(
                ("machines",),
                f"Ansible works on {host} as `{user}`, which would lose that right",
                f"declare `{user}` under `machines` for {host}, with `sudo: [ALL]`",
            )
