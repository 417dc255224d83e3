"""The keys of the clients' volumes: on the control node, outside of git and of every backup.

They lie encrypted under a store key, a random file that exists here only. Whoever leaves has their
key erased by another store key for those of the others: what was ever copied of the keys is then
worth nothing, for the store key that opens it is gone (13.3.1). The store key itself is vaulted.
"""

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from orchestrator.engine import secret
from orchestrator.environment import Environment
from orchestrator.environment.vault import decrypt, encrypt
from orchestrator.errors import PasInfraError
from orchestrator.paths import lab_directory
from orchestrator.store.private import keep_names, private_directory, replace_private

_PASSPHRASE = "clients_key_store_passphrase"  # noqa: S105 - the name of a variable
_KEY_BYTES = 64
_FILE = re.compile(r"(?P<number>[0-9]+)[.]keys?")
_OF_BACKUPS = "backups:"  # how the name of a second key begins; no client's has a colon
_GONE = ".gone"  # how the name ends of what is being erased
_LEAST_LETTERS = 32  # of the passphrase


@dataclass(frozen=True)
class ClientKey:
    """What opens a client's volume, when it was made (ISO 8601), and where that volume lies.

    While it is being changed `next` opens it as well, or already alone; `since` is when the first
    of the client's keys was made, "" where this is the first.
    """

    key: str
    made: str
    place: str
    next: str = ""
    since: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """Every key of which one opens the volume."""
        return (self.key, self.next) if self.next else (self.key,)


class KeyStore:
    """The key store of one host's clients; `directory` is its own.

    Its files are `N.key`, the store key under the passphrase, and `N.keys`, the keys under the
    store key; with the highest N that has both. Whoever changes it holds the environment's lock.
    """

    def __init__(self, directory: Path, passphrase: str) -> None:
        self.directory = directory
        # As ansible-vault takes it from whoever types it.
        self.passphrase = passphrase.strip()

    @property
    def generation(self) -> int:
        """How many store keys there have been; 0 before the first key."""
        return max((n for n in self._generations() if self._keys(n).exists()), default=0)

    @property
    def files(self) -> tuple[Path, ...]:
        """The store key and the keys, both still encrypted; none before the first key."""
        current = self.generation
        return (self._key(current), self._keys(current)) if current else ()

    def keys(self) -> Mapping[str, ClientKey]:
        """The keys of the volumes, by the names of their clients.

        Raises PasInfraError when the passphrase does not open them, or they are damaged.
        """
        return {
            name: key for name, key in self.contents().items() if not name.startswith(_OF_BACKUPS)
        }

    def contents(self) -> Mapping[str, ClientKey]:
        """All that there is: the keys, and under other names those that `for_backups` gives."""
        current, newest = self.generation, max(self._generations(), default=0)
        # One more than the current one is what a removal that was cut short has begun.
        if newest > current + 1:
            raise self._lost(self._keys(newest))
        if not current:
            return {}
        if not self._key(current).exists():
            raise self._lost(self._key(current))
        try:
            found = json.loads(decrypt(_read(self._keys(current)), self._store_key(current)))
            return {name: ClientKey(**one) for name, one in found.items()}
        except PasInfraError as error:
            raise PasInfraError(
                f"the key store cannot be read: {error.what}",
                where=self.directory,
                next_step=f"see whether {_PASSPHRASE} is the one it was made with",
            ) from error

    def key_of(self, name: str) -> str:
        """What opens a client's volume.

        Raises PasInfraError for one who has no key, or whose key is being changed.
        """
        if name not in (found := self.keys()):
            raise PasInfraError(
                f"the key store has no key of the client `{name}`",
                where=self.directory,
                next_step=f"pas-infra client add {name} makes it, with a volume",
            )
        self._refuse_changing(name, found)
        return found[name].key

    def add(self, name: str, place: str, now: datetime) -> ClientKey:
        """Keep a new random key for a client's volume at a place, or leave the one that there is.

        Raises PasInfraError for somebody whose volume lies elsewhere: one key is one volume's.
        """
        found = dict(self.contents())
        if name in found and found[name].place != place:
            raise PasInfraError(
                f"the volume of `{name}` lies in {found[name].place}, not in {place}",
                where=self.directory,
                next_step="declare it where it lies; a client who moves takes another name there",
            )
        if name in found:
            self._refuse_changing(name, found)
            return found[name]
        return self._put(found, name, place, now)

    def for_backups(self, name: str, now: datetime | None = None) -> ClientKey | None:
        """What the key of a client's backups lies under in escrow: it goes when theirs goes.

        Made at the time `now` where there is none; without one, None is given then.
        """
        found = dict(self.contents())
        wrapping = f"{_OF_BACKUPS}{name}"
        if wrapping in found or now is None:
            return found.get(wrapping)
        return self._put(found, wrapping, "escrow", now)

    def remove(self, name: str) -> None:
        """Destroy a client's keys: the others get another store key, and the former one is erased.

        Cut short, either the former keys are all there or the next call goes on.
        """
        found = dict(self.contents())
        if [found.pop(one) for one in (name, f"{_OF_BACKUPS}{name}") if one in found]:
            self._write_anew(found)
        self._destroy_former()

    def begin_change(self, name: str) -> ClientKey:
        """Keep another key beside a client's, or leave the one that an earlier call has kept."""
        found = dict(self.contents())
        if name not in found or not found[name].next:
            self.key_of(name)
            found[name] = replace(found[name], next=secrets.token_hex(_KEY_BYTES))
            self._write(self.generation, found)
        return found[name]

    def end_change(self, name: str, now: datetime) -> None:
        """Let that one take the former's place, which is destroyed as by `remove`."""
        found = dict(self.contents())
        one = found[name]
        made = now.isoformat(timespec="seconds")
        found[name] = ClientKey(one.next, made, one.place, since=one.since or one.made)
        self._write_anew(found)
        self._destroy_former()

    def _put(self, keys: dict[str, ClientKey], name: str, place: str, now: datetime) -> ClientKey:
        """Keep a new random key beside those that there are."""
        made = now.isoformat(timespec="seconds")
        keys[name] = ClientKey(secrets.token_hex(_KEY_BYTES), made, place)
        if not self.generation and not self._key(1).exists():
            self._begin(1)
        self._write(max(self.generation, 1), keys)
        return keys[name]

    def _write_anew(self, keys: Mapping[str, ClientKey]) -> None:
        """Keep the keys under another store key; the former one is still there."""
        later = self.generation + 1
        self._begin(later)
        self._write(later, keys)

    def _refuse_changing(self, name: str, keys: Mapping[str, ClientKey]) -> None:
        if keys[name].next:
            raise PasInfraError(
                f"a change of the key of `{name}` was begun and has not ended",
                where=self.directory,
                next_step=f"pas-infra client rotate {name} ends it",
            )

    def _destroy_former(self) -> None:
        for unfinished in [*self.directory.glob("*.new"), *self.directory.glob(".*.gone")]:
            erase(unfinished)
        current = self.generation
        for number in self._generations():
            if number != current:
                # First what opens the other.
                erase(self._key(number))
                erase(self._keys(number))

    def _store_key(self, number: int) -> bytes:
        return decrypt(_read(self._key(number)), self._words()).encode()

    def _lost(self, file: Path) -> PasInfraError:
        return PasInfraError(
            f"the key store has lost {file.name}",
            where=self.directory,
            next_step="bring it back from the copy in the safe (docs/how-to/clients.md)",
        )

    def _words(self) -> bytes:
        """The passphrase; an environment that keeps no key needs none."""
        if len(self.passphrase) < _LEAST_LETTERS:
            raise PasInfraError(
                f"{_PASSPHRASE} has fewer than {_LEAST_LETTERS} characters",
                next_step="vault a random one in the inventory (docs/how-to/clients.md)",
            )
        return self.passphrase.encode()

    def _begin(self, number: int) -> None:
        private_directory(self.directory)
        store_key = encrypt(secrets.token_hex(_KEY_BYTES), self._words())
        replace_private(self._key(number), store_key.encode())

    def _write(self, number: int, keys: Mapping[str, ClientKey]) -> None:
        text = json.dumps({name: asdict(key) for name, key in sorted(keys.items())})
        replace_private(self._keys(number), encrypt(text, self._store_key(number)).encode())

    def _generations(self) -> list[int]:
        names = (_FILE.fullmatch(file.name) for file in self.directory.glob("*"))
        return sorted({int(name["number"]) for name in names if name})

    def _key(self, number: int) -> Path:
        return self.directory / f"{number}.key"

    def _keys(self, number: int) -> Path:
        return self.directory / f"{number}.keys"


def clients_directory(environment: Environment) -> Path:
    """Where what is kept of clients lies: beside the store, or with the disks of a lab."""
    return lab_directory() if environment.kind == "lab" else environment.store_directory


def key_store(environment: Environment, host: str) -> KeyStore:
    """The key store for the clients of a host, with its passphrase as it is declared there.

    Raises PasInfraError where git could take it up: no key that is destroyed may lie in a history.
    """
    directory = clients_directory(environment) / "client-keys" / host
    if tree := next(
        (each for each in directory.resolve().parents if (each / ".git").exists()), None
    ):
        raise PasInfraError(
            f"the key store of {host} would lie in the git repository {tree}: a key that is "
            "destroyed could come back from there",
            where=directory,
            next_step="declare another place: control_node.store in environment.yml, or "
            "XDG_STATE_HOME",
        )
    return KeyStore(directory, secret(environment, host, _PASSPHRASE))


def erase(file: Path) -> None:
    """Overwrite a file and remove it; one that is gone already is fine.

    It is renamed before: half of it is never taken for the whole. On flash a remnant may stay: what
    lies here is encrypted all the same.
    """
    hidden = file if file.name.endswith(_GONE) else file.with_name(f".{file.name}{_GONE}")
    with suppress(FileNotFoundError):
        file.rename(hidden)
        size = hidden.stat().st_size
        with hidden.open("r+b") as opened:
            opened.write(secrets.token_bytes(size))
            opened.flush()
            os.fsync(opened.fileno())
        hidden.unlink()
        keep_names(file.parent)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise PasInfraError(f"{file.name}: {error.strerror}", where=file) from error
