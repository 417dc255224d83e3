"""Detached signatures by OpenSSH's `ssh-keygen -Y`, which an auditor has at hand as well."""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import PasInfraError

NAMESPACE = "evidence@pas-infra"
_PATIENCE = 120.0  # seconds: somebody may have to type a passphrase or touch a token
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]+")


@dataclass(frozen=True)
class Signature:
    """What a signature says: the key's fingerprint, whose it is if that was asked, or its fault."""

    key: str = ""
    signer: str | None = None
    fault: str = ""


def require_key(key: Path) -> None:
    """Raises PasInfraError when there is no such key, before anything is written."""
    if not key.is_file():
        raise PasInfraError(
            "there is no signing key",
            where=key,
            next_step=f"make one: ssh-keygen -t ed25519 -C evidence -f {key}",
        )


def sign(message: bytes, key: Path) -> bytes:
    """Sign with a private key, or with the agent's when the file holds a public one.

    Raises PasInfraError when the key cannot be used.
    """
    done = _ssh_keygen("sign", "-f", str(key), "-n", NAMESPACE, message=message)
    if done.returncode != 0 or not done.stdout:
        raise PasInfraError(
            f"the bundle could not be signed: {_said(done)}",
            where=key,
            next_step="give a private key, or the public key of one that ssh-agent holds "
            "(ssh-add -L)",
        )
    return done.stdout


def check(message: bytes, signature: bytes, allowed_signers: Path | None, at: str) -> Signature:
    """Say whether a signature is of this message, and, by the list of those, whether its key may.

    `at` is when it was made (ISO 8601, UTC): keys may be allowed for a time. Raises PasInfraError
    when the list cannot be read.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "signature"
        file.write_bytes(signature)
        given = ("-n", NAMESPACE, "-s", str(file))
        intact = _ssh_keygen("check-novalidate", *given, message=message)
        found = _FINGERPRINT.search(intact.stdout.decode(errors="replace"))
        if intact.returncode != 0 or not found:
            return Signature(fault=f"it is no signature of this file ({_said(intact)})")
        key = found[0]
        if allowed_signers is None:
            return Signature(key)
        _require_list(allowed_signers)
        of = ("-f", str(allowed_signers), "-s", str(file), f"-Overify-time={_compact(at)}")
        principals = _ssh_keygen("find-principals", *of)
        names = principals.stdout.decode(errors="replace").split()
        if principals.returncode != 0 or not names:
            return Signature(
                key, fault=f"its key {key} is not allowed to sign ({_said(principals)})"
            )
        # The list's line may name several signers at once, parted by commas.
        signer = names[0].split(",")[0]
        valid = _ssh_keygen("verify", "-I", signer, "-n", NAMESPACE, *of, message=message)
        if valid.returncode != 0:
            return Signature(
                key, fault=f"its key {key} is not allowed to sign evidence ({_said(valid)})"
            )
        return Signature(key, signer)


def _require_list(file: Path) -> None:
    try:
        content = file.read_text("utf-8", "replace")
    except OSError as error:
        raise PasInfraError(
            f"the list of allowed signers cannot be read: {error.strerror}",
            where=file,
            next_step="give the list that you were handed apart from the bundle",
        ) from error
    if not any(line.strip() and not line.startswith("#") for line in content.splitlines()):
        raise PasInfraError(
            "the list of allowed signers is empty",
            where=file,
            next_step=f'write a line: NAME namespaces="{NAMESPACE}" ssh-ed25519 AAAA…',
        )


def _compact(moment: str) -> str:
    return re.sub(r"[^0-9]", "", moment)[:14]


def _ssh_keygen(
    action: str, *arguments: str, message: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", action, *arguments],
            capture_output=True,
            check=False,
            # Its times are of its own time zone where it is not told.
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
            input=message,
            timeout=_PATIENCE,
        )
    except FileNotFoundError as error:
        raise PasInfraError(
            "ssh-keygen is missing", next_step="apt-get install openssh-client"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PasInfraError(
            f"ssh-keygen did not answer within {_PATIENCE:.0f} seconds",
            next_step="is somebody to type a passphrase? ssh-add KEY, then --key KEY.pub",
        ) from error


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return said[0].strip() if said else f"ssh-keygen ended with {done.returncode}"
