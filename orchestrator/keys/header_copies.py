"""The copies of headers in escrow on the control node, as role encryption keeps them."""

import gzip
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.engine import secret, variables
from orchestrator.environment import Environment, role_defaults
from orchestrator.environment.vault import decrypt_bytes
from orchestrator.errors import PasInfraError
from orchestrator.keys.call import UUID
from orchestrator.keys.host.luks import Refused, opened_by
from orchestrator.paths import project_root

_DIRECTORY = "encryption_escrow_directory"


@dataclass(frozen=True)
class HeaderCopy:
    """One copy: its file, and the header, which is in memory only; b"" of half a copy."""

    file: Path
    header: bytes

    @property
    def sha256(self) -> str:
        """The sum that its header is known by."""
        return hashlib.sha256(self.header).hexdigest()


def copies_of(environment: Environment, host: str, uuid: str) -> list[HeaderCopy]:
    """The copies of a device's header.

    Raises PasInfraError for one that cannot be decrypted, and for what is no UUID: a host gives it.
    """
    declared = variables(environment, [host], [_DIRECTORY])[host][_DIRECTORY]
    default = role_defaults(project_root() / "roles/encryption")[_DIRECTORY]
    directory = Path(str(declared or default)).expanduser() / host
    if not UUID.fullmatch(uuid):
        raise PasInfraError(
            f"{uuid!r} is no UUID of LUKS", next_step="find out who has changed the host's programs"
        )
    # What a write or an erasure that was cut short has left is a copy too.
    names = (f"{uuid}.gz.vault", f".{uuid}.gz.vault", f".{uuid}.gz.vault.gone")
    files = [directory / name for name in names if (directory / name).exists()]
    if not files:
        return []
    passphrase = secret(environment, host, "encryption_escrow_passphrase").strip().encode()
    return [HeaderCopy(file, _decrypted(file, passphrase)) for file in files]


def opens(header: bytes, key: str) -> bool:
    """Whether a key opens a header, tried with cryptsetup in memory; half a one opens with none.

    Raises PasInfraError when cryptsetup does not say.
    """
    if not header:
        return False
    # A file without a name: it is gone with whoever has it open, also with one who is killed.
    with os.fdopen(os.memfd_create("header"), "wb") as file:
        file.write(header)
        file.flush()
        number = file.fileno()
        try:
            return opened_by(f"/dev/fd/{number}", key, descriptor=number) is not None
        except Refused as why:
            raise PasInfraError(
                f"a copy of a header could not be tried: {why}",
                next_step="install cryptsetup-bin on this control node",
            ) from why
        except FileNotFoundError as why:
            raise PasInfraError(
                "cryptsetup is not installed on this control node, so nothing can be proven",
                next_step="apt-get install cryptsetup-bin",
            ) from why


def _decrypted(file: Path, passphrase: bytes) -> bytes:
    try:
        return gzip.decompress(decrypt_bytes(file.read_bytes().decode("ascii"), passphrase))
    except (PasInfraError, EOFError, OSError, ValueError) as error:
        if file.name.startswith("."):
            return b""
        raise PasInfraError(
            f"a copy of a header cannot be read: {error}",
            where=file,
            next_step="see whether encryption_escrow_passphrase is the one it was made with",
        ) from error
