"""The list of who can do what: from the live hosts, against what the environment declares."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from orchestrator.access.compare import Line, State, compare
from orchestrator.access.live import Live, live_access
from orchestrator.engine import connections, variables
from orchestrator.environment import Environment, People, PublicKey, public_key
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.records import RunStatus
from orchestrator.runs import recorded


@dataclass(frozen=True)
class Reviewed:
    """An account over all hosts that know it; `state` is the worst of them."""

    account: str
    who: str
    rights: tuple[str, ...]
    hosts: tuple[str, ...]
    state: State


@dataclass(frozen=True)
class AccessList:
    """Every account on every host; of the hosts in `live.missing` nothing can be said."""

    lines: tuple[Line, ...]
    live: Live

    @property
    def deviating(self) -> tuple[Line, ...]:
        """The accounts that are not as declared."""
        return tuple(line for line in self.lines if line.state is not State.DECLARED)

    @property
    def run_status(self) -> RunStatus:
        """Incomplete outweighs findings: what was not seen may be worse."""
        if self.live.missing:
            return RunStatus.INCOMPLETE
        return RunStatus.FINDINGS if self.deviating else RunStatus.OK

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        return self.run_status.exit_code

    @property
    def summary(self) -> str:
        """One line: how many accounts are what, and who did not answer."""
        counts = ((sum(line.state is state for line in self.lines), state) for state in State)
        said = ", ".join(f"{count} {state}" for count, state in counts if count)
        unseen = [f"{host}: {why}" for host, why in self.live.missing.items()]
        return "; ".join([said or "no account was seen", *unseen])

    @property
    def reviewed(self) -> tuple["Reviewed", ...]:
        """What a review decides on: each live account once, over all hosts."""
        lines: dict[str, list[Line]] = {}
        for line in self.lines:
            if line.live:
                lines.setdefault(line.account, []).append(line)
        return tuple(
            Reviewed(
                account,
                found[0].who,
                found[0].rights,
                tuple(line.host for line in found),
                max((line.state for line in found), key=list(State).index),
            )
            for account, found in lines.items()
        )

    @property
    def digest(self) -> str:
        """The SHA-256 of what the hosts said, in hexadecimal: see `live_as_json`."""
        text = json.dumps(
            self.live_as_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def live_as_json(self) -> dict[str, list[dict[str, Any]]]:
        """What the hosts said, less the last logins: the same rights are the same list."""
        return {
            host: [
                {name: value for name, value in asdict(account).items() if name != "last_login"}
                | {"valid_until": account.valid_until and account.valid_until.isoformat()}
                for account in accounts
            ]
            for host, accounts in self.live.accounts.items()
        }

    def of_account(self, account: str) -> "AccessList":
        """Only the lines of one account; raises PasInfraError when there is none."""
        lines = tuple(line for line in self.lines if line.account == account)
        if not lines and not self.live.missing:
            known = sorted({line.account for line in self.lines})
            raise PasInfraError(
                f"`{account}` is neither declared nor an account on these hosts",
                next_step=f"name one of: {', '.join(known)}",
            )
        return replace(self, lines=lines)


def list_access(environment: Environment, hosts: Sequence[str]) -> AccessList:
    """Ask the hosts and compare; recorded as a run `access`."""
    with recorded(environment, "access", {"hosts": tuple(hosts)}) as run:
        people = environment.people or People((), (), ())
        with ThreadPoolExecutor() as pool:  # Ansible takes seconds to answer
            resolving = pool.submit(_resolved_keys, environment, people, hosts)
            live = live_access(connections(environment, hosts))
            resolved = resolving.result()
        lines = [
            line
            for host, accounts in live.accounts.items()
            for line in compare(
                host,
                accounts,
                people,
                resolved_keys=resolved.get(host, {}),
                system_shells=_system_shells(environment, host),
                declared_ways=_declared_ways(environment, host),
            )
        ]
        found = AccessList(tuple(lines), live)
        run.end_with(found.run_status, found.summary)
    return found


def _resolved_keys(
    environment: Environment, people: People, hosts: Sequence[str]
) -> dict[str, dict[str, list[PublicKey]]]:
    """The keys in the variables that machine accounts name, by host and variable."""
    names = sorted({machine.keys_variable for machine in people.machines if machine.keys_variable})
    if not names:
        return {}
    return {
        host: {name: [_key(name, line) for line in lines or ()] for name, lines in found.items()}
        for host, found in variables(environment, hosts, names).items()
    }


def _key(variable: str, line: str) -> PublicKey:
    try:
        return public_key(line)
    except ValueError as fault:
        raise PasInfraError(
            f"a key in the variable {variable} {fault}",
            next_step="make one by `ssh-keygen -t ed25519` and declare it there",
        ) from None


def _declared_ways(environment: Environment, host: str) -> tuple[str, ...]:
    # Whose certificates these are is for the checks of role ssh to say.
    authorities = environment.host(host).variables.get("ssh_user_authorities")
    return ("trustedusercakeys /etc/ssh/user_authorities",) if authorities else ()


def _system_shells(environment: Environment, host: str) -> list[str]:
    declared: Mapping[str, object] = environment.host(host).variables
    found = declared.get("accounts_system_shells")
    return [str(name) for name in found] if isinstance(found, list) else []
