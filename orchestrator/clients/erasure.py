"""The steps by which the data of a client is put out of reach for good.

The order matters. As long as the key and a copy of the header exist together, the data could be
read; so first the header on the disk goes, then the key, and then, tried with every secret that is
left, the copies of the header.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from orchestrator.backup.escrow import PASSPHRASE as BACKUPS
from orchestrator.clients.backups import ClientBackups
from orchestrator.clients.volumes import VOLUMES, volume_group
from orchestrator.engine import (
    Connection,
    HostProgram,
    OnProgress,
    PlayOutcome,
    PlayRequest,
    Strategy,
    play,
    printable,
    secrets,
)
from orchestrator.environment import Client, Environment
from orchestrator.errors import Incomplete, PasInfraError
from orchestrator.keys.header_copies import HeaderCopy, copies_of, opens
from orchestrator.keys.key_store import KeyStore, erase
from orchestrator.keys.safe_copies import SafeCopy, copies_in, with_key_of
from orchestrator.offboardings import Journal
from orchestrator.paths import project_root
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.runs import STATUS_OF_PLAY, Recorder, utc_now

PLAYBOOK = "playbooks/offboard.yml"
_MEASURES = ("13.3.1", "13.3.2")
# What each step has done, for the record.
SENTENCES = {
    "confirmed": "the erasure of {client} was confirmed",
    "volume": "the volume of {client} has no key and no header any more",
    "key": "the key of {client} is destroyed, and the former store key with it",
    "copies": "the copies of the header of {client} are destroyed",
    "backups": "no key of the backups of {client} is left, and they are removed",
    "rest": "nothing of {client} is left on the host",
}
_OVERWRITING = 48 * 3600.0  # seconds that a whole volume may take to be written over
_PASSPHRASES = (
    "installation_passphrase",
    "installation_former_passphrase",
    "encryption_escrow_passphrase",
    "clients_key_store_passphrase",
    BACKUPS,
    "pki_authority_passphrase",
)


@dataclass(frozen=True)
class Erasure:
    """The erasure of one client, step by step; each is safe to be done again."""

    environment: Environment
    client: Client
    connection: Connection
    store: KeyStore
    journal: Journal
    run: Recorder

    def look(self) -> dict[str, Any]:
        """Find the volume, its key, and the copies of its header; the key opens them, for now.

        Raises PasInfraError where nothing could be proven: on a container, for a volume that the
        key does not open, and for a key without a volume.
        """
        group = volume_group(self.environment, self.client.host)
        there = self._volumes(group)
        known = self.store.keys().get(self.client.name)
        if known:
            self.store.key_of(self.client.name)  # refuses one that is being changed
        if self.client.name in there and not known:
            raise PasInfraError(
                f"there is a volume of `{self.client.name}`, and the key store has no key of it: "
                "nothing could be proven",
                where=self.client.host,
                next_step="bring the key store back from the copy in the safe "
                "(docs/how-to/clients.md)",
            )
        said = self._call("describe", group, key=known.key) if known else {}
        volume = {name: _fact(value) for name, value in said.items()}
        if known and not volume:
            raise PasInfraError(
                f"there is a key of `{self.client.name}` and no volume of theirs: nothing could be "
                "proven",
                where=self.client.host,
                next_step=f"pas-infra client add {self.client.name} ends what was begun; then the "
                "same command again",
            )
        copies = self._copies(str(volume.get("uuid", "")))
        wrapping = self.store.for_backups(self.client.name)
        since = [key.since or key.made for key in (known, wrapping) if key]
        facts = [
            {
                "file": str(copy.file),
                "sha256": copy.sha256,
                "opened": known is not None and opens(copy.header, known.key),
            }
            for copy in copies
        ]
        return {
            "group": group,
            "volume": volume,
            "key_made": known.made if known else None,
            "keys_since": min(since, default=None),
            "generation": self.store.generation,
            "copies": facts,
            "safe_copies": [asdict(one) for one in self._safe_copies(min(since, default=None))],
            "backups": self._backups.look(),
        }

    def to_be_destroyed(self, found: Mapping[str, Any], *, overwrite: bool) -> str:
        """What goes, in words."""
        lines = [f"{self.client.title} ({self.client.name}) on {self.client.host}:"]
        if volume := found["volume"]:
            how = "its keys and its header"
            if overwrite:
                how += ", and all that is written on it"
            lines.append(f"  the volume {volume['device']}, {volume['size'] / 1e9:.1f} GB: {how}")
        lines += [f"  the copy of its header {copy['file']}" for copy in found["copies"]]
        if found["key_made"]:
            lines.append(f"  the key of {found['key_made']} in the key store")
        if backups := found.get("backups"):
            lines.append(
                f"  the backups {backups['repository']} on {backups['target']}, "
                f"{backups['size'] / 1e9:.1f} GB, {backups['copies']} copies of them there, and "
                f"their key, on {self.client.host} and in escrow"
            )
        lines += [
            f"  by your own hand: copy {copy['number']} of the key store, in {copy['place']}"
            for copy in found.get("safe_copies", ())
            if not copy["destroyed"]
        ]
        lines.append("  their account, slice, services and directory")
        return "\n".join(lines)

    def erase_volume(self) -> None:
        """Destroy the key slots and the header on the disk; nothing opens what is left."""
        found = self.journal.steps["confirmed"]
        if not found["volume"]:
            return
        if not self.journal.done("volume"):
            key = self.store.key_of(self.client.name)
            said = self._call(
                "erase",
                found["group"],
                replace(VOLUMES, patience=_OVERWRITING) if found["overwrite"] else VOLUMES,
                key=key,
                uuid=found["volume"].get("uuid", ""),
                overwrite=found["overwrite"],
            )
            self.keep("volume", **{name: _fact(value) for name, value in said.items()})
        self._call("drop", found["group"])

    def destroy_key(self) -> None:
        """Give the others another store key, and destroy the former one with this client's."""
        if not self.journal.done("key"):
            self.store.remove(self.client.name)
            self.keep("key", generation=self.store.generation)

    def destroy_copies(self) -> None:
        """Try what is left of secrets on each copy of the header, and destroy it."""
        if self.journal.done("copies"):
            return
        left = self._every_secret()
        copies = self._copies(str(self.journal.steps["confirmed"]["volume"].get("uuid", "")))
        for copy in copies:
            if any(opens(copy.header, one) for one in left):
                raise PasInfraError(
                    f"a secret that still exists opens the copy of the header {copy.file}",
                    where=copy.file,
                    next_step="find out which, before this client's data can be called erased",
                )
        for copy in copies:
            erase(copy.file)
        self.keep("copies", tried=len(left))

    def destroy_backups(self) -> None:
        """Destroy every key of the client's backups, and remove them."""
        if not self.journal.done("backups"):
            # Some may have been made since it was confirmed; what a cut has destroyed was there.
            now = self._backups.look()
            before = self.journal.steps["confirmed"].get("backups", {})
            found = {name: max(now.get(name, fact), fact) for name, fact in before.items()} or now
            self.keep("backups", found=found, **self._backups.destroy(found, self._every_secret()))

    def fate_of_safe_copies(self) -> list[dict[str, Any]]:
        """Every copy of the key store by which the key could be had, each destroyed.

        Raises Incomplete while one is not: nothing else is left to be done, but be certified.
        """
        confirmed = self.journal.steps["confirmed"]
        if not confirmed["keys_since"]:
            return []
        copies = with_key_of(
            copies_in(self.store), confirmed["keys_since"], int(confirmed["generation"])
        )
        if left := [copy for copy in copies if not copy.destroyed]:
            host = self.client.host
            raise Incomplete(
                f"the key of `{self.client.name}` is still in a copy of the key store: "
                + ", ".join(f"{copy.number} ({copy.place})" for copy in left),
                where=host,
                next_step=f"make another one (pas-infra keys copy {host} --to …), destroy these "
                f"and say so (pas-infra keys destroyed {host} {left[0].number}); then the same "
                "command again certifies it",
            )
        return [asdict(copy) for copy in copies]

    def remove_rest(self, strategy: Strategy, progress: OnProgress) -> PlayOutcome:
        """Remove account, slice, services and directory, and the note of the header on the host."""
        outcome = play(
            PlayRequest(
                environment=self.environment,
                playbook=project_root() / PLAYBOOK,
                hosts=(self.client.host,),
                check=False,
                strategy=strategy,
                extra_variables={"clients_removed": self.client.name},
            ),
            on_progress=self.run.keep_and_tell(progress),
        )
        self.run.end_with(STATUS_OF_PLAY[outcome.status], outcome.message)
        return outcome

    def _volumes(self, group: str) -> set[str]:
        """Whose volumes are there; raises PasInfraError on a container."""
        said = VOLUMES.call(self.connection, self.client.name, what="status", group=group)
        if not said["has_disks"]:
            raise PasInfraError(
                f"{self.client.host} is a container: its disk is not its own, and nothing could be "
                "proven about what is erased on it",
                where=self.connection.address,
                next_step="try it on a virtual machine: lab up --backend qemu",
            )
        return {str(one["name"]) for one in said["volumes"]}

    def _call(
        self, what: str, group: str, program: HostProgram = VOLUMES, **request: object
    ) -> dict[str, Any]:
        return program.call(
            self.connection, self.client.name, what=what, name=self.client.name, group=group,
            **request,
        )  # fmt: skip

    def _copies(self, uuid: str) -> list[HeaderCopy]:
        if not uuid:
            return []
        return copies_of(self.environment, self.client.host, uuid)

    def _safe_copies(self, since: str | None) -> list[SafeCopy]:
        if since is None:
            return []
        return with_key_of(copies_in(self.store), since, self.store.generation)

    @property
    def _backups(self) -> ClientBackups:
        return ClientBackups(self.environment, self.client)

    def _every_secret(self) -> list[str]:
        """What the key store has of others, and every declared passphrase of the host."""
        declared = secrets(self.environment, self.client.host, _PASSPHRASES).values()
        others = [key for one in self.store.contents().values() for key in one.words]
        return [one for one in (*declared, *others) if one]

    def keep(self, step: str, **facts: Any) -> None:
        """Record a step, and then write it down: once it is, it is not done again."""
        sentence = SENTENCES[step].format(client=self.client.name)
        self.run.keep(
            TaskResult(
                self.client.host, "", sentence, "client", TaskStatus.CHANGED, measures=_MEASURES
            )
        )
        self.journal.keep(step, now(), self.run.id, **facts)


def _fact(value: object) -> object:
    """What a host says, as it may be shown to anybody."""
    if isinstance(value, list):
        return [_fact(one) for one in value]
    return printable(value) if isinstance(value, str) else value


def now() -> str:
    """The time, as a journal has it."""
    return utc_now().isoformat(timespec="seconds")
