"""Runs on a host, as root: the certificates that lie or are shown there, as JSON.

The host's own Python suffices, and openssl for the listeners.
"""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Of the configuration every file is looked into; elsewhere, those that are named like certificates.
_CONFIGURATION = "/etc"
_ELSEWHERE = ("/home", "/opt", "/root", "/srv", "/usr/local", "/var/lib")
_NAMED = (".pem", ".crt", ".cer", ".cert")
# Whom the host trusts, which is another question than what it shows.
_TRUSTED = ("/etc/ssl/certs", "/usr/local/share/ca-certificates")
_LARGEST = 1_000_000  # bytes
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_USER = re.compile(r'\("([^"]*)",pid=(\d+)')
_PATIENCE = 5  # seconds for a listener to show what it has


def files() -> Iterator[dict[str, Any]]:
    """Each file with certificates: its blocks, and the files of the configuration that name it."""
    texts = dict(_texts(_CONFIGURATION, ("",)))
    found = {path: _BLOCK.findall(text) for path, text in texts.items()}
    for top in _ELSEWHERE:
        found |= {path: _BLOCK.findall(text) for path, text in _texts(top, _NAMED)}
    for path, blocks in sorted(found.items()):
        if blocks:
            naming = [other for other, text in texts.items() if other != path and path in text]
            yield {"path": path, "pem": blocks, "named_in": sorted(naming)}


def listeners() -> Iterator[dict[str, Any]]:
    """What each listener of TCP shows whoever begins TLS with it; most show nothing."""
    seen = set()
    for line in _run("ss", "-H", "-l", "-n", "-t", "-p").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        user = _USER.search(line)
        process, pid = user.groups() if user else ("", "")
        # sshd would take the attempt for a scanner's, and hold it against the host's own address.
        host = address.partition("%")[0]
        if process.startswith("sshd") or (host, port) in seen:
            continue
        seen.add((host, port))
        if host in ("*", "0.0.0.0", "[::]"):  # noqa: S104 - read, not listened on
            host = "[::1]" if host == "[::]" else "127.0.0.1"
        shown = _BLOCK.findall(
            _run("openssl", "s_client", "-connect", f"{host}:{port}", "-showcerts")
        )
        if shown:
            unit = _run("ps", "-o", "unit=", "-p", pid).strip() if pid else ""
            yield {
                "port": int(port),
                "pem": shown,
                "user": unit if unit not in ("", "-") else process,
            }


def _texts(top: str, endings: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for place, directories, names in os.walk(top):
        directories[:] = [d for d in directories if str(Path(place, d)) not in _TRUSTED]
        for name in names:
            if not name.endswith(endings):
                continue
            path = os.path.join(place, name)  # noqa: PTH118 - thousands of them
            try:
                text = _text(path)
            except OSError:  # gone meanwhile, or a link
                continue
            if text:
                yield path, text


def _text(path: str) -> str:
    """What a small regular file holds: whoever owns it may change it for a pipe meanwhile."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, encoding="utf-8", errors="replace") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return ""
        return file.read(_LARGEST)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (subprocess.TimeoutExpired, FileNotFoundError):
        return ""
    return done.stdout


if __name__ == "__main__":
    json.dump({"files": list(files()), "listeners": list(listeners())}, sys.stdout)
