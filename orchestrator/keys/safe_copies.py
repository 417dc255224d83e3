"""Copies of a host's key store on another medium, in a safe: when and where each was made.

Without one the data of all clients is lost with the control node; with one that nobody knows of, a
destroyed key is not destroyed. So each is registered, before it is written, beside the key store.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from orchestrator.environment import Environment, Host
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.keys.key_store import KeyStore, clients_directory, erase, key_store
from orchestrator.operator import current_operator
from orchestrator.paths import project_root
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.runs import recorded, utc_now
from orchestrator.store.private import private_directory, replace_private

_REGISTER = "copies.json"
_MEASURES = ("6.4.2", "13.3.1")


@dataclass(frozen=True)
class SafeCopy:
    """One copy, numbered from 1; times are ISO 8601, `place` is where it is kept in words.

    It was written to `directory`; `generation` and `sha256` are those of the key store as it was.
    `destroyed` and `destroyed_by` are "" as long as nobody has said that it is.
    """

    number: int
    directory: str
    place: str
    made: str
    by: str
    generation: int
    sha256: str
    destroyed: str = ""
    destroyed_by: str = ""


@dataclass(frozen=True)
class CopyList:
    """The copies of a host's key store, and whether there is a key to be copied."""

    copies: tuple[SafeCopy, ...]
    generation: int
    sha256: str

    def state(self, copy: SafeCopy) -> str:
        """What a copy is worth: `current`, `older`, `former` (to be destroyed) or `destroyed`."""
        if copy.destroyed:
            return "destroyed"
        if copy.generation != self.generation:
            return "former"
        return "current" if copy.sha256 == self.sha256 else "older"

    @property
    def faults(self) -> tuple[str, ...]:
        """What somebody has to do."""
        states = [self.state(copy) for copy in self.copies]
        found = [
            f"copy {copy.number} has a key that was destroyed since: destroy it too"
            for copy, state in zip(self.copies, states, strict=True)
            if state == "former"
        ]
        if self.generation and "current" not in states:
            found.append("no copy has all keys of the clients: pas-infra keys copy")
        return tuple(found)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        return ExitCode.FINDINGS if self.faults else ExitCode.OK


def list_copies(environment: Environment, host: Host) -> CopyList:
    """The registered copies of the key store of a host's clients."""
    return _listed(key_store(environment, host.name))


def make_copy(environment: Environment, host: Host, to: Path, place: str) -> tuple[int, SafeCopy]:
    """Copy the key store of a host's clients below the directory `to`; its run, and the copy.

    What lay there of a former copy is erased, and counts as destroyed. Raises PasInfraError when
    there is no key, for a place that git or the control node itself keeps, and when the copy does
    not open.
    """
    _refuse_at_hand(environment, to)
    with recorded(environment, "keys copy", {"hosts": [host.name]}) as run:
        store = key_store(environment, host.name)
        target = (to / f"client-keys-{environment.name}-{host.name}").absolute()
        copy = write_copy(store, target, place or str(to))
        sentence = f"copy {copy.number} of the key store of {host.name} is in {copy.place}"
        run.keep(
            TaskResult(host.name, "", sentence, "copy", TaskStatus.CHANGED, measures=_MEASURES)
        )
        return run.id, copy


def write_copy(store: KeyStore, target: Path, place: str) -> SafeCopy:
    """Register a copy of the key store, write it, and try it with the same passphrase."""
    keys = store.contents()
    if not keys:
        raise PasInfraError(
            "the key store has no key, so there is nothing to be copied",
            where=store.directory,
            next_step="pas-infra client add makes the first",
        )
    copies = copies_in(store)
    copy = SafeCopy(
        number=len(copies) + 1,
        directory=str(target),
        place=place,
        made=_now(),
        by=current_operator(),
        generation=store.generation,
        sha256=_sum(store),
    )
    # Another medium may be mounted at the same place: only what is found there is written over.
    there = {file.name for file in target.glob(_mark("*"))}
    # Before it is written: one that is cut short is a copy too.
    _register(store, [*copies, copy])
    private_directory(target)
    replace_private(target / _mark(copy.number), b"")
    for file in store.files:
        replace_private(target / file.name, file.read_bytes())
    if KeyStore(target, store.passphrase).contents() != keys:
        raise PasInfraError(
            "the copy is not what the key store has",
            where=target,
            next_step="take another medium, then the same command again",
        )
    kept = {file.name for file in store.files}
    for former in target.glob("*.key*"):
        if former.name not in kept:
            erase(former)
    _register(
        store,
        destroyed_among(
            [*copies, copy], lambda one: _same_place(one, copy) and _mark(one.number) in there
        ),
    )
    for mark in there:
        (target / mark).unlink()
    return copy


def _mark(number: int | str) -> str:
    """The empty file by which a medium is known for that of a copy."""
    return f"copy-{number}"


def note_destroyed(environment: Environment, host: Host, number: int) -> tuple[int, SafeCopy]:
    """Write down that somebody has destroyed a copy; its run, and the copy.

    What still lies where it was written is erased. Raises PasInfraError for an unknown one.
    """
    with recorded(environment, "keys destroyed", {"hosts": [host.name]}) as run:
        store = key_store(environment, host.name)
        copies = copies_in(store)
        if number not in {copy.number for copy in copies}:
            raise PasInfraError(
                f"no copy {number} of the key store of {host.name} is registered",
                where=store.directory / _REGISTER,
                next_step=f"pas-infra keys copies {host.name} lists them",
            )
        (copy,) = (one for one in copies if one.number == number)
        mark = Path(copy.directory) / _mark(number)
        if mark.exists():  # else a later one was written there, or another medium is
            for file in Path(copy.directory).glob("*.key*"):
                erase(file)
            mark.unlink()
        after = destroyed_among(copies, lambda one: one.number == number)
        _register(store, after)
        sentence = f"copy {number} of the key store of {host.name} is destroyed"
        run.keep(
            TaskResult(host.name, "", sentence, "copy", TaskStatus.CHANGED, measures=_MEASURES)
        )
        return run.id, after[number - 1]


def copies_in(store: KeyStore) -> list[SafeCopy]:
    """The registered copies of a key store, in their order."""
    file = store.directory / _REGISTER
    if not file.exists():
        return []
    try:
        return [SafeCopy(**one) for one in json.loads(file.read_text("utf-8"))]
    except (ValueError, TypeError) as error:
        raise PasInfraError(
            "the register of the key store's copies is damaged",
            where=file,
            next_step="find out who has changed it; the runs `keys copy` of the history name all",
        ) from error


def with_key_of(copies: Iterable[SafeCopy], key_made: str, generation: int) -> list[SafeCopy]:
    """The copies by which a key could be had that was made then and destroyed in that generation.

    One that is older than the key has the store key that opens later ones.
    """
    return [
        copy
        for copy in copies
        if copy.generation == generation or (copy.generation < generation and copy.made >= key_made)
    ]


def destroyed_among(
    copies: Iterable[SafeCopy], which: Callable[[SafeCopy], bool]
) -> list[SafeCopy]:
    """The copies, with those that are destroyed now noted as such."""
    return [
        replace(one, destroyed=_now(), destroyed_by=current_operator())
        if which(one) and not one.destroyed
        else one
        for one in copies
    ]


def _same_place(one: SafeCopy, other: SafeCopy) -> bool:
    return one.directory == other.directory and one.number != other.number


def _listed(store: KeyStore) -> CopyList:
    return CopyList(tuple(copies_in(store)), store.generation, _sum(store))


def _sum(store: KeyStore) -> str:
    content = b"".join(file.read_bytes() for file in store.files)
    return hashlib.sha256(content).hexdigest() if content else ""


def _register(store: KeyStore, copies: Iterable[SafeCopy]) -> None:
    content = json.dumps([asdict(copy) for copy in copies], indent=1)
    replace_private(store.directory / _REGISTER, content.encode())


def _refuse_at_hand(environment: Environment, to: Path) -> None:
    here = (environment.store_directory, clients_directory(environment))
    for place in (project_root(), environment.directory, *here):
        if to.resolve().is_relative_to(place.resolve()):
            raise PasInfraError(
                f"{to} is no safe place: {place} goes into git, or is lost with this machine",
                next_step="name a directory of another medium, which goes into a safe",
            )


def _now() -> str:
    return utc_now().isoformat(timespec="seconds")
