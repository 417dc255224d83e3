"""What live hosts listen on and let through, as they say themselves."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from orchestrator.engine import Connection, Question, ask, printable
from orchestrator.flows.filtering import Filtering, read_filtering

_SEPARATOR = "-- units --"
_RULES = "-- rules --"
_QUESTION = (
    'echo "$SSH_CONNECTION" && sudo -n ss -H -l -n -t -u -p '
    f"&& echo '{_SEPARATOR}' && sudo -n ps -e -o pid=,unit= && echo '{_RULES}' "
    "&& sudo -n sh -c 'if command -v nft > /dev/null; then nft --json list ruleset; fi'"
)
_USER = re.compile(r'\("(?P<process>[^"]*)",pid=(?P<pid>\d+)')


@dataclass(frozen=True, order=True)
class Listener:
    """A socket that waits for others; `address` is `*` for every one that the host has.

    `unit` is the systemd unit of the process, or "" where none is known: a socket of the kernel's.
    """

    protocol: str
    port: int
    address: str
    process: str
    unit: str

    @property
    def reachable(self) -> bool:
        """Whether another machine could reach it: what is on the loopback is the host's own."""
        return self.address == "*" or not ip_address(self.address).is_loopback

    def __str__(self) -> str:
        by = f"{self.process} ({self.unit})" if self.unit else self.process or "the kernel"
        at = "" if self.address == "*" else f" on {self.address}"
        return f"{self.protocol} {self.port}{at} by {by}"


@dataclass(frozen=True)
class Seen:
    """A host's listeners, loopback apart, its firewall, and by which way it was asked.

    `origin` is the address that the question came from, as the host sees it, `port` where to.
    """

    origin: str
    port: int
    listeners: tuple[Listener, ...]
    filtering: Filtering


def listeners_on(
    connections: Iterable[Connection],
) -> tuple[dict[str, Seen], dict[str, str]]:
    """What each host listens on and lets through; and of the hosts that cannot say so, why."""
    return ask(connections, Question("its listeners", _QUESTION, read_listeners))


def read_listeners(text: str) -> Seen:
    """What the answer of a host says.

    Raises ValueError when it is not what sshd, `ss`, `ps` and `nft` print.
    """
    way, _, text = text.partition("\n")
    sockets, separator, text = text.partition(_SEPARATOR)
    if not separator:
        raise ValueError("it does not say which unit listens")
    processes, separator, rules = text.partition(_RULES)
    if not separator:
        raise ValueError("it does not say what its firewall lets through")
    units = dict(line.split(maxsplit=1) for line in processes.splitlines() if line.strip())
    found = {_listener(line, units) for line in sockets.splitlines()}
    if not found:
        raise ValueError("nothing listens there, not even sshd")
    origin, _, _, port = way.split()
    reachable = tuple(sorted(one for one in found if one.reachable))
    return Seen(_plain(origin.partition("%")[0]), int(port), reachable, read_filtering(rules))


def _listener(line: str, units: dict[str, str]) -> Listener:
    fields = line.split()
    if len(fields) < 6 or fields[0] not in ("tcp", "udp"):
        raise ValueError(f"not what ss prints: {printable(line)[:80]}")
    host, _, port = fields[4].rpartition(":")
    address = host.partition("%")[0].strip("[]")
    user = _USER.search(line)
    unit = units.get(user["pid"], "").strip() if user else ""
    return Listener(
        protocol=fields[0],
        port=int(port),
        address="*" if address in ("*", "0.0.0.0", "::") else _plain(address),  # noqa: S104 - read
        process=printable(user["process"]) if user else "",
        unit="" if unit == "-" else printable(unit),
    )


def _plain(address: str) -> str:
    found = ip_address(address)
    mapped = found.ipv4_mapped if found.version == 6 else None
    return str(mapped or found)
