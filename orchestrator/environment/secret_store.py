"""The secret store of an environment, beside what is vaulted: `age`, or a command.

Either gives a mapping: group or host, then variable and value. It is read once, when the
environment is loaded, into memory only.
"""

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.environment.commands import ask_program, output_of
from orchestrator.environment.inventory import Inventory, settings_of
from orchestrator.environment.lines import Document, parse
from orchestrator.environment.secret_variables import SecretVariables
from orchestrator.environment.shape import kind_of
from orchestrator.environment.spelling import remedy
from orchestrator.errors import PasInfraError, Problem

_AGE_FILE = "secrets.yml.age"
_AGE_ERROR = "age: error: "
_SETTING = ("secrets",)


@dataclass(frozen=True)
class AgeFile:
    """A file that `age` decrypts, with an identity of which exactly one way is set."""

    file: Path
    identity_file: Path | None
    identity_command: tuple[str, ...] | None


@dataclass(frozen=True)
class SecretCommand:
    """A command that prints secret variables, within `timeout` seconds.

    With `entries`, by host or group and then by variable, it is run once for each: the entry is its
    last argument, and what it prints is the value.
    """

    run: tuple[str, ...]
    entries: Mapping[str, Mapping[str, str]]
    timeout: float | None


Store = AgeFile | SecretCommand


def read_secret_store(declared: Document, inventory: Inventory) -> list[Problem]:
    """Attach the secret variables to the inventory, last in their place; return their faults."""
    store = _store_of(declared)
    if store is None:
        return list(_undeclared(declared.file.parent))
    if unknown := list(_unknown_entries(declared, inventory)):
        return unknown
    try:
        document, problems = _read(store, declared)
    except PasInfraError as error:
        return [declared.problem(_SETTING, error.what, error.next_step or "")]
    owners = inventory.groups | inventory.hosts
    if not problems:
        problems = list(_shape_problems(document, owners))
    if problems:
        return problems
    for owner in document.mapping():
        data = dict(document.mapping(owner))
        part = Document(document.file, data, {}, {}, secret=True, declared=document.declared)
        owners[owner].files.append(part)
        inventory.secrets[owner] = part
    return list(_second_places(inventory))


def secret_variables(inventory: Inventory) -> SecretVariables:
    """What was read, for the engine."""
    return SecretVariables({owner: part.mapping() for owner, part in inventory.secrets.items()})


def _store_of(declared: Document) -> Store | None:
    given: Any = declared.mapping("secrets")
    directory = declared.file.parent
    if age := given.get("age"):
        identity = age["identity"]
        command = identity.get("command")
        return AgeFile(
            _path(directory, age.get("file", _AGE_FILE)),
            None if command else _path(directory, identity["file"]),
            tuple(command) if command else None,
        )
    if command := given.get("command"):
        return SecretCommand(
            tuple(command["run"]), command.get("entries", {}), command.get("timeout")
        )
    return None


def _path(directory: Path, text: str) -> Path:
    # Absolute: what reads it runs in the environment's directory.
    return (directory / Path(text).expanduser()).absolute()


def _undeclared(directory: Path) -> Iterator[Problem]:
    if (directory / _AGE_FILE).exists():
        yield Problem(
            directory / _AGE_FILE,
            None,
            "nothing reads this file",
            "name your identity under `secrets: age:` in environment.yml",
        )


def _read(store: Store, declared: Document) -> tuple[Document, list[Problem]]:
    """What the store holds; raises PasInfraError when it cannot be had."""
    directory, line = declared.file.parent, declared.line(_SETTING)
    if isinstance(store, AgeFile):
        return _parsed(_decrypted(store, directory), store.file, None)
    if store.entries:
        values = {
            owner: {name: _entry(store, entry, directory) for name, entry in names.items()}
            for owner, names in store.entries.items()
        }
        return Document(declared.file, values, {}, {}, secret=True, declared=line), []
    printed = output_of(
        "the secret command", store.run, directory,
        setting="secrets: command: run", timeout=store.timeout,
    )  # fmt: skip
    if not printed.strip():
        raise PasInfraError(
            f"the secret command `{store.run[0]}` printed nothing",
            next_step="run it by hand in the environment's directory",
        )
    return _parsed(printed, declared.file, line)


def _parsed(content: bytes, file: Path, line: int | None) -> tuple[Document, list[Problem]]:
    nothing = Document(file, None, {}, {}, secret=True, declared=line)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return nothing, [nothing.problem((), "the secrets are not UTF-8 text", "save them as such")]
    document, problems = parse(file, text, secret=True)
    if document is None or problems:
        found = [Problem(file, line, problem.what, problem.next_step) for problem in problems]
        return nothing, found
    return Document(file, document.data, {}, document.vaulted, secret=True, declared=line), []


def _entry(store: SecretCommand, entry: str, directory: Path) -> str:
    """One secret, without the line end that programs print after it."""
    printed = output_of(
        "the secret command", (*store.run, entry), directory,
        setting="secrets: command: run", timeout=store.timeout, about=f" for `{entry}`",
    )  # fmt: skip
    try:
        value = printed.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        value = ""
    if not value:
        said = "what is no UTF-8 text" if printed.strip() else "nothing"
        raise PasInfraError(
            f"the secret command `{store.run[0]}` printed {said} for `{entry}`",
            next_step="run it by hand in the environment's directory",
        )
    return value


def _decrypted(age: AgeFile, directory: Path) -> bytes:
    identity = b""
    if age.identity_command:
        identity = output_of(
            "the identity command", age.identity_command, directory,
            setting="secrets: age: identity: command",
        )  # fmt: skip
    elif age.identity_file:
        _demand_private(age.identity_file)
    if not age.file.is_file():
        raise PasInfraError(
            f"the encrypted file {age.file} is not there",
            next_step="make it with `age --encrypt` (docs/how-to/secrets.md)",
        )
    done = ask_program(
        "the program",
        ["age", "--decrypt", "--identity", str(age.identity_file or "-"), str(age.file)],
        directory,
        remedy="apt-get install age",
        stdin=identity,
    )
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").splitlines()
    reasons = [line.removeprefix(_AGE_ERROR) for line in said if line.startswith(_AGE_ERROR)]
    if any("no identity matched" in reason for reason in reasons):
        raise PasInfraError(
            f"your identity is none of those to which {age.file} is encrypted",
            next_step="have somebody who can open it encrypt it to your recipient too"
            " (`age-keygen -y` shows it)",
        )
    reason = reasons[0] if reasons else f"code {done.returncode}"
    raise PasInfraError(
        f"age does not decrypt {age.file}: {reason}",
        next_step=f"try `age --decrypt --identity … {age.file.name}` by hand, or restore the file",
    )


def _demand_private(identity: Path) -> None:
    try:
        mode = stat.S_IMODE(identity.stat().st_mode)
        identity.open("rb").close()
    except OSError as error:
        raise PasInfraError(
            f"the identity {identity} cannot be read: {error.strerror}",
            next_step="make one with `age-keygen --output`, or give yourself read access",
        ) from error
    if mode & 0o077:
        raise PasInfraError(
            f"the identity {identity} is open to others (mode {mode:04o})",
            next_step=f"chmod 600 {identity}",
        )


def _shape_problems(document: Document, owners: Mapping[str, object]) -> Iterator[Problem]:
    known = ", ".join(sorted(owners))
    wanted = f"write a group or host of hosts.yml ({known}), and below it its variables"
    if not isinstance(document.data, dict):
        what = f"the secrets must be a mapping, but are {kind_of(document.data)}"
        yield document.problem((), what, wanted)
        return
    # A key is not shown: what was printed may be something else altogether, a secret by itself.
    if any(owner not in owners for owner in document.data):
        what = "a key of the secrets is neither a group nor a host"
        yield document.problem((), what, wanted)
    for owner, found in document.data.items():
        if owner in owners and not isinstance(found, dict):
            what = f"the secrets of {owner} must be a mapping, but are {kind_of(found)}"
            yield document.problem((), what, "write `name: value` lines")
    if document.vaulted:
        what = "a value of the secrets is vaulted as well"
        yield document.problem((), what, "write it in clear there: the store encrypts it")


def _second_places(inventory: Inventory) -> Iterator[Problem]:
    """Where a host has a secret from elsewhere too: which one wins is Ansible's to know."""
    ours = {id(part) for part in inventory.secrets.values()}
    for host in inventory.hosts:
        groups = inventory.groups_of(host)
        kept = {
            name
            for owner in (*groups, inventory.hosts[host])
            if owner.name in inventory.secrets
            for name in inventory.secrets[owner.name].mapping()
        }
        for owner in (*groups, inventory.hosts[host]):
            elsewhere = dict(owner.settings)
            for document in owner.files:
                if id(document) not in ours:
                    elsewhere |= settings_of(document)
            for name in sorted(kept & elsewhere.keys()):
                yield elsewhere[name].problem(
                    f"{host} has `{name}` from here and from the secret store", "keep one of them"
                )


def _unknown_entries(declared: Document, inventory: Inventory) -> Iterator[Problem]:
    owners = inventory.groups | inventory.hosts
    for owner in declared.mapping("secrets", "command", "entries"):
        if owner not in owners:
            yield declared.problem(
                ("secrets", "command", "entries", owner),
                f"there is no group or host `{owner}`",
                remedy(owner, owners, "name one of hosts.yml"),
            )
