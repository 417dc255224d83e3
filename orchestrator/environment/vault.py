"""Opening what is vaulted, in memory only, with the environment's own password."""

import os
from pathlib import Path

from orchestrator.environment.commands import output_of
from orchestrator.environment.model import Vault
from orchestrator.errors import PasInfraError, Problem


class VaultOpener:
    """Decrypts with the password of `vault`, which is asked for once, when first needed.

    A password that cannot be had is one problem, at `where` (file and line of the vault setting),
    however many secrets wait for it.
    """

    def __init__(
        self, vault: Vault | None, directory: Path, where: tuple[Path, int | None]
    ) -> None:
        self._vault = vault
        self._directory = directory
        self._where = where
        self._password: bytes | None = None
        self._failed = False
        self.problems: list[Problem] = []

    def open(self, ciphertext: str, file: Path, line: int | None) -> str | None:
        """The clear text, or None when it cannot be had (see `problems`)."""
        if self._vault is None:
            self.problems.append(
                Problem(
                    file,
                    line,
                    "this is vaulted, but the environment names no vault password",
                    "set `vault: password_file` or `vault: password_command` in environment.yml",
                )
            )
            return None
        if self._password is None and not self._failed:
            try:
                self._password = read_password(self._vault, self._directory)
            except PasInfraError as error:
                self._failed = True
                self.problems.append(Problem(*self._where, error.what, error.next_step or ""))
        if self._password is None:
            return None
        try:
            return decrypt(ciphertext, self._password)
        except PasInfraError as error:
            self.problems.append(Problem(file, line, error.what, error.next_step or ""))
            return None


def read_password(vault: Vault, directory: Path) -> bytes:
    """The vault password, white space around it removed as Ansible does.

    Raises PasInfraError when the file cannot be read, the command fails, or the password is empty.
    """
    if vault.password_file is not None:
        password, source = _from_file(vault.password_file), str(vault.password_file)
    else:
        command = list(vault.password_command or ())
        password, source = (
            output_of(
                "the vault password command", command, directory, setting="vault: password_command"
            ),
            f"`{command[0]}`",
        )
    if not password.strip():
        raise PasInfraError(
            f"the vault password from {source} is empty", next_step="put the password there"
        )
    return password.strip()


def _from_file(file: Path) -> bytes:
    try:
        password = file.read_bytes()
    except OSError as error:
        raise PasInfraError(
            f"the vault password file {file} cannot be read: {error.strerror}",
            next_step="create it or give yourself read access; it lies outside of git",
        ) from error
    if os.access(file, os.X_OK):
        raise PasInfraError(
            f"the vault password file {file} is executable: Ansible would run it",
            next_step="name it under `password_command`, or take its execute bit away",
        )
    return password


def decrypt(ciphertext: str, password: bytes) -> str:
    """The clear text; raises PasInfraError for a wrong password and for damaged text."""
    try:
        return decrypt_bytes(ciphertext, password).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _damaged() from error


def decrypt_bytes(ciphertext: str, password: bytes) -> bytes:
    """What was vaulted, be it text or not; raises as `decrypt` does."""
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import AnsibleVaultFormatError, VaultLib, VaultSecret

    try:
        clear: bytes = VaultLib([("default", VaultSecret(password))]).decrypt(ciphertext.strip())
    except AnsibleVaultFormatError as error:
        raise _damaged() from error
    except AnsibleError as error:
        raise PasInfraError(
            "the environment's vault password does not open this",
            next_step="use the password it was encrypted with, or encrypt it again",
        ) from error
    return clear


def _damaged() -> PasInfraError:
    return PasInfraError(
        "the vaulted text is damaged", next_step="restore it, or encrypt the secret again"
    )


def encrypt(text: str, password: bytes) -> str:
    """The text, vaulted."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    vaulted: bytes = VaultLib([("default", VaultSecret(password))]).encrypt(
        text, VaultSecret(password)
    )
    return vaulted.decode("ascii")
