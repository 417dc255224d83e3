"""The steps by which the data of a client is put out of reach for good.

The order matters. As long as the key and a copy of the header exist together, the data could be
read; so first the header on the disk goes, then the key, and then, tried with every secret that is
left, the copies of the header.
"""

from dataclasses import dataclass, replace
from typing import Any

from orchestrator.clients.journal import Journal
from orchestrator.clients.volumes import VOLUMES, volume_group
from orchestrator.engine import (
    Connection,
    OnProgress,
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    play,
    printable,
    secret,
)
from orchestrator.environment import Client, Environment
from orchestrator.errors import PasInfraError
from orchestrator.keys.header_copies import HeaderCopy, copies_of, opens
from orchestrator.keys.key_store import KeyStore, erase
from orchestrator.paths import project_root
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.runs import STATUS_OF_PLAY, Recorder, utc_now

PLAYBOOK = "playbooks/offboard.yml"
_MEASURES = ("13.3.1", "13.3.2")
_OVERWRITING = 48 * 3600.0  # seconds that a whole volume may take to be written over
_PASSPHRASES = (
    "installation_passphrase",
    "installation_former_passphrase",
    "encryption_escrow_passphrase",
    "clients_key_store_passphrase",
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

    def look(self) -> None:
        """Find the volume, its key, and the copies of its header; the key opens them, for now."""
        self._refuse_container()
        said = self._call("describe")
        volume = {name: _fact(value) for name, value in said.items()}
        keys = self.store.keys()
        made = keys[self.client.name].made if self.client.name in keys else None
        copies = self._copies(str(volume.get("uuid", "")))
        facts = []
        for copy in copies:
            opened = made is not None and opens(copy.header, keys[self.client.name].key)
            facts.append({"file": str(copy.file), "sha256": copy.sha256, "opened": opened})
        if volume.get("uuid") and made is None:
            raise PasInfraError(
                f"the key store has no key of `{self.client.name}`, and there is a volume: nothing "
                "could be proven about it",
                where=str(volume["device"]),
                next_step="bring the key store back (docs/how-to/clients.md)",
            )
        self.journal.keep("found", now(), volume=volume, key_made=made, copies=facts)

    def to_be_destroyed(self, *, overwrite: bool) -> str:
        """What goes, in words."""
        found = self.journal.steps["found"]
        volume = found["volume"]
        lines = [f"{self.client.title} ({self.client.name}) on {self.client.host}:"]
        if volume:
            how = (
                "its keys, its header and all that is written on it"
                if overwrite
                else ("its keys and its header")
            )
            lines.append(f"  the volume {volume['device']}, {volume['size'] / 1e9:.1f} GB: {how}")
        lines += [f"  the copy of its header {copy['file']}" for copy in found["copies"]]
        if found["key_made"]:
            lines.append(f"  the key of {found['key_made']} in the key store")
        lines.append("  their account, slice, services and directory")
        return "\n".join(lines)

    def erase_volume(self, *, overwrite: bool) -> None:
        """Destroy the key slots and the header on the disk; nothing opens what is left."""
        if self.journal.done("volume"):
            return
        keys = self.store.keys()
        key = keys[self.client.name].key if self.client.name in keys else ""
        said = self._call("erase", key=key, overwrite=overwrite)
        facts = {name: _fact(value) for name, value in said.items()}
        self.journal.keep("volume", now(), **facts, whole=overwrite)
        self._keep(f"the volume of {self.client.name} has no key and no header any more")

    def destroy_key(self) -> None:
        """Give the others another store key, and destroy the former one with this client's."""
        if self.journal.done("key"):
            return
        former = self.store.generation
        self.store.remove(self.client.name)
        self.journal.keep("key", now(), former=former, generation=self.store.generation)
        self._keep(f"the key of {self.client.name} is destroyed, and the store key with it")

    def destroy_copies(self) -> None:
        """Try what is left of secrets on each copy of the header, and destroy it."""
        if self.journal.done("copies"):
            return
        secrets = self._every_secret()
        copies = self._copies(str(self.journal.steps["found"]["volume"].get("uuid", "")))
        for copy in copies:
            if any(opens(copy.header, one) for one in secrets):
                raise PasInfraError(
                    f"a secret that still exists opens the copy of the header {copy.file}",
                    where=copy.file,
                    next_step="find out which, before this client's data can be called erased",
                )
            erase(copy.file)
        self.journal.keep("copies", now(), destroyed=len(copies), tried=len(secrets))
        self._keep(f"{len(copies)} copies of the header of {self.client.name} are destroyed")

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
        if outcome.status is PlayStatus.OK and not self.journal.done("rest"):
            self.journal.keep("rest", now())
        return outcome

    def _refuse_container(self) -> None:
        said = VOLUMES.call(
            self.connection, self.client.name, what="status",
            group=volume_group(self.environment, self.client.host),
        )  # fmt: skip
        if not said["has_disks"]:
            raise PasInfraError(
                f"{self.client.host} is a container: its disk is not its own, and nothing could be "
                "proven about what is erased on it",
                where=self.connection.address,
                next_step="try it on a virtual machine: lab up --backend qemu",
            )

    def _call(self, what: str, **request: object) -> dict[str, Any]:
        program = replace(VOLUMES, patience=_OVERWRITING) if request.get("overwrite") else VOLUMES
        return program.call(
            self.connection, self.client.name, what=what, name=self.client.name,
            group=volume_group(self.environment, self.client.host), **request,
        )  # fmt: skip

    def _copies(self, uuid: str) -> list[HeaderCopy]:
        if not uuid:
            return []
        return copies_of(self.environment, self.client.host, uuid)

    def _every_secret(self) -> list[str]:
        """The keys of the other clients, and every declared passphrase of the host."""
        declared = [secret(self.environment, self.client.host, name) for name in _PASSPHRASES]
        others = [one.key for one in self.store.keys().values()]
        return [one for one in (*declared, *others) if one]

    def _keep(self, sentence: str) -> None:
        self.run.keep(
            TaskResult(
                self.client.host, "", sentence, "client", TaskStatus.CHANGED, measures=_MEASURES
            )
        )


def _fact(value: object) -> object:
    """What a host says, as it may be shown to anybody."""
    if isinstance(value, list):
        return [_fact(one) for one in value]
    return printable(value) if isinstance(value, str) else value


def now() -> str:
    """The time, as a journal has it."""
    return utc_now().isoformat(timespec="seconds")
