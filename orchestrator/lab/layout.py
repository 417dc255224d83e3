"""Where a lab keeps its things, and what its network namespace is called."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import PasInfraError
from orchestrator.paths import state_directory

NAMESPACES = Path("/run/netns")  # where iproute2 keeps them, each mounted on a file

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class LabLayout:
    """The directory of one lab; two labs share nothing but the image cache."""

    name: str
    directory: Path

    @property
    def namespace(self) -> str:
        """The network namespace that holds the lab's networks.

        The machine has one list of names: two users, or two state directories of one, may both have
        a lab called `default`, and neither may take the other's for its own.
        """
        place = hashlib.sha256(os.fsencode(self.directory)).hexdigest()
        return f"pas-{self.name}-{place[:8]}"

    @property
    def is_up(self) -> bool:
        """Whether the lab's networks stand and its machines can be reached, as far as they run."""
        return self.ssh_config.exists() and os.path.ismount(NAMESPACES / self.namespace)

    @property
    def ssh_config(self) -> Path:
        """The client configuration that reaches every machine of the lab."""
        return self.directory / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The machines' host keys, made before their first boot."""
        return self.directory / "known_hosts"

    @property
    def installed_known_hosts(self) -> Path:
        """The host keys of what was installed on a machine's disks, which the lab did not make."""
        return self.directory / "installed_known_hosts"

    @property
    def identity(self) -> Path:
        """The operator's private key."""
        return self.directory / "id_ed25519"

    def machine(self, name: str) -> Path:
        """What belongs to one machine: its disk or overlay, host keys and console log."""
        return self.directory / "machines" / name

    def escrow(self, name: str) -> Path:
        """The headers of one machine's encrypted disks, which the lab's inventory keeps here.

        They go with the disks: the header of a disk that is gone would be missed on the next one.
        """
        return self.directory / "escrow" / name

    def client_keys(self, name: str) -> Path:
        """The keys of the clients whose volumes lie on one machine's disks: they go with them."""
        return self.directory / "client-keys" / name

    def backup_keys(self, name: str) -> Path:
        """The keys of one machine's backups, which are on its disks too."""
        return self.directory / "backup-keys" / name

    @property
    def offboarding(self) -> Path:
        """Who was erased from the lab's disks, certified in one chain: all of it, or none.

        Whoever left a disk that is gone may come again to the next one.
        """
        return self.directory / "offboarding"


def lab_layout(name: str) -> LabLayout:
    """The layout of the lab `name` in the user's state directory; raises on an unfit name."""
    if not _NAME.fullmatch(name):
        raise PasInfraError(
            f"{name!r} cannot name a lab: it becomes a network namespace's and a directory's name",
            next_step="use at most 40 lower-case letters, digits and hyphens",
        )
    return LabLayout(name, state_directory() / "labs" / name)
