"""What an environment declares of a host that can be held against what was seen there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from orchestrator.drift.collector.kinds import KINDS
from orchestrator.drift.collector.look import Objects, Value
from orchestrator.drift.finding import Eye, Finding, FindingKind
from orchestrator.environment import Environment, Flow, MachineAccount

_OF_PEOPLE = range(1000, 60000)
_NO_SHELL = ("/nologin", "/false", "/sync")
_ANY = ("*", "0.0.0.0", "[::]")  # noqa: S104 - read, not listened on


@dataclass(frozen=True)
class Declared:
    """What is declared of one host; what nothing declares is None, and not compared.

    `accounts` has the fingerprints of each one's keys, None where a variable of Ansible lists them;
    `flows` are those that lead to the host.
    """

    accounts: Mapping[str, frozenset[str] | None] | None = None
    flows: tuple[Flow, ...] | None = None


def declared_on(environment: Environment, host: str) -> Declared:
    """What people.yml and flows.yml say of the host."""
    accounts: dict[str, frozenset[str] | None] | None = None
    if environment.people is not None:
        accounts = {
            one.account: None
            if isinstance(one, MachineAccount) and one.keys_variable
            else frozenset(key.fingerprint for key in one.keys)
            for one in environment.people.on(host)
        }
    return Declared(
        accounts=accounts,
        flows=None if environment.flows is None else environment.flows.to(host),
    )


def declared_findings(host: str, seen: Objects, declared: Declared) -> Iterator[Finding]:
    """What is declared and not there, and what is there and declared by nobody."""
    if declared.accounts is not None:
        yield from _accounts(host, seen, declared.accounts)
    if declared.flows is not None and "listener" in seen:
        yield from _listeners(host, seen["listener"], declared.flows)


def _accounts(
    host: str, seen: Objects, declared: Mapping[str, frozenset[str] | None]
) -> Iterator[Finding]:
    there = seen.get("account", {})
    for name in declared:
        if "account" in seen and name not in there:
            yield _finding(host, FindingKind.MISSING, "account", name, "declared in people.yml")
    for name, about in there.items():
        if name not in declared and _lets_somebody_in(name, about):
            why = "it can be used, and people.yml does not declare it"
            yield _finding(host, FindingKind.UNMANAGED, "account", name, why)
    found = [tuple(name.split(" ", 1)) for name in seen.get("authorized-key", {})]
    for account, keys in declared.items():
        if keys is None or "authorized-key" not in seen:
            continue
        of_account = {fingerprint for name, fingerprint in found if name == account}
        for fingerprint in sorted(of_account - keys):
            why = "people.yml does not declare this key"
            name = f"{account} {fingerprint}"
            yield _finding(host, FindingKind.UNMANAGED, "authorized-key", name, why)
        for fingerprint in sorted(keys - of_account):
            name = f"{account} {fingerprint}"
            yield _finding(
                host, FindingKind.MISSING, "authorized-key", name, "declared in people.yml"
            )


def _lets_somebody_in(name: str, about: Mapping[str, Value]) -> bool:
    uid = str(about.get("uid"))
    if name == "root":
        return False
    if not uid.isdecimal() or int(uid) == 0:
        return True
    return int(uid) in _OF_PEOPLE and not str(about.get("shell")).endswith(_NO_SHELL)


def _listeners(
    host: str, there: Mapping[str, Mapping[str, Value]], flows: tuple[Flow, ...]
) -> Iterator[Finding]:
    open_ports = [(name, *_parts(name)) for name in there]
    for name, protocol, address, port in open_ports:
        # Of the others no flow can speak: they have no port, or none that is known before.
        if not port.isdecimal() or _of_the_host_alone(address):
            continue
        if not any(flow.carries(protocol, int(port)) for flow in flows):
            why = "it listens, and no flow of flows.yml leads there"
            yield _finding(host, FindingKind.UNMANAGED, "listener", name, why)
    for flow in flows:
        for ports in flow.ports:
            served = any(
                protocol == flow.protocol and port.isdecimal() and int(port) in ports
                for _, protocol, _, port in open_ports
            )
            if not served:
                why = f"flow {flow.name} leads there, and nothing listens"
                name = f"{flow.protocol} *:{ports}"
                yield _finding(host, FindingKind.MISSING, "listener", name, why)


def _parts(name: str) -> tuple[str, str, str]:
    """Protocol, address and port of `tcp 0.0.0.0:22`."""
    protocol, _, local = name.partition(" ")
    address, _, port = local.rpartition(":")
    return protocol, address, port


def _of_the_host_alone(address: str) -> bool:
    plain = address.partition("%")[0].strip("[]")
    if address in _ANY or plain == "*":
        return False
    try:
        return ip_address(plain).is_loopback
    except ValueError:
        return False


def _finding(host: str, what: FindingKind, kind: str, name: str, why: str) -> Finding:
    about = KINDS[kind]
    severity = about.appears if what is FindingKind.UNMANAGED else about.differs
    return Finding(
        kind=what,
        host=host,
        object_kind=about.called,
        name=name,
        eye=Eye.COLLECTOR,
        severity=severity,
        measures=about.measures,
        seen=why,
    )
