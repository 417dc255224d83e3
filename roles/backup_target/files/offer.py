#!/usr/bin/python3 -I
"""Comes to a source, and serves its repositories through that one connection.

`backup-offer SOURCE backup|job`. The source has no other way here: what it sends is borg's own
protocol, spoken with a borg that only adds to this source's repositories.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

DECLARED = Path("/etc/pas-infra/backup-target")
KEY = "ssh-key"  # the credential
SERVE = "/usr/local/lib/pas-infra/backup-serve"
NOWHERE = "/tmp/borg"  # noqa: S108 - the unit's own /tmp
_LINE = 64


def main() -> int:
    """Come again until the source says that this was all."""
    source, wanted = sys.argv[1:]
    asked = json.loads((DECLARED / f"{source}.json").read_text("utf-8"))
    place = Path(asked["place"])
    with (place / ".lock").open() as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        # A source that breaks down for every session must end sometime.
        for _ in range(20 + 20 * len(asked["repositories"])):
            word, code = session(source, asked, wanted)
            if word != "serve":
                break
        else:
            word, code = "", 1
            print(f"{source} does not come to an end", file=sys.stderr)
    return code if word == "done" else 1


def session(source: str, asked: dict[str, object], wanted: str) -> tuple[str, int]:
    """One login: what the source says first, and with which code it ends."""
    login = subprocess.Popen(login_command(source, asked, wanted), stdin=-1, stdout=-1)
    assert login.stdin and login.stdout  # noqa: PT018, S101 - for mypy
    word, _, code = first_line(login.stdout.fileno()).partition(" ")
    if word == "serve":
        with subprocess.Popen(
            serve_command(asked),
            stdin=login.stdout,
            stdout=login.stdin,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "BORG_BASE_DIR": NOWHERE},
        ):
            login.stdin.close()
            login.stdout.close()
    else:
        login.stdin.close()
    ended = login.wait()
    return word, int(code) if word == "done" and code.isdecimal() else ended


def login_command(source: str, asked: dict[str, object], wanted: str) -> list[str]:
    """How the source is logged in to: by a key of its own, to a known host, for one command."""
    key = os.environ.get("CREDENTIALS_DIRECTORY", "") + f"/{KEY}"
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityFile": key,
        "UserKnownHostsFile": f"{DECLARED}/known_hosts",
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": source,
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "30",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "30",
        "LogLevel": "ERROR",
    }
    return [
        "ssh", "-T", *(part for pair in options.items() for part in ("-o", "=".join(pair))),
        "-p", str(asked["port"]), "-l", str(asked["account"]), str(asked["address"]), wanted,
    ]  # fmt: skip


def serve_command(asked: dict[str, object]) -> list[str]:
    """What serves these repositories and those that were called back; borg only adds to them."""
    place, names = Path(str(asked["place"])), asked["repositories"]
    assert isinstance(names, list)  # noqa: S101 - for mypy
    recalled = [f".recalled/{name}" for name in names]
    allowed = [f"--restrict-to-repository={place / name}" for name in [*names, *recalled]]
    return [SERVE, "serve", "--append-only", f"--storage-quota={asked['quota']}", *allowed]


def first_line(descriptor: int) -> str:
    """The first line, and not a byte more: what follows is borg's."""
    line = b""
    while len(line) < _LINE and (letter := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += letter
    return line.decode("ascii", "replace")


if __name__ == "__main__":
    sys.exit(main())
