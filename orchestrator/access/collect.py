"""Runs on a host, as root: who can do what there, as JSON. The host's own Python suffices."""

import base64
import fnmatch
import grp
import hashlib
import json
import os
import pwd
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

_NO_SHELL = ("/nologin", "/false", "/sync")
_HASHES = {"$y$": "yescrypt", "$gy$": "gost-yescrypt", "$7$": "scrypt", "$6$": "sha512",
           "$5$": "sha256", "$2": "bcrypt", "$1$": "md5"}  # fmt: skip
_KEY_TYPE = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-\S+\Z")
_RULE = re.compile(r"\((?P<run_as>[^)]*)\)\s*(?P<rest>.*)\Z")
_TAGS = {"NOPASSWD": {"password": False}, "PASSWD": {"password": True},
         "NOEXEC": {"exec": False}, "EXEC": {"exec": True}}  # fmt: skip
_TAG = re.compile(r"([A-Z_]+):\s+")
_ACCEPTED = re.compile(r"Accepted \S+ for (\S+) from ")
# From nowhere in particular: what a `Match Address` adds for some address is not seen.
_FROM = "host=nowhere.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22"
# What lets an account in without a key of its own being listed anywhere.
_OTHER_WAYS = ("authorizedkeyscommand", "trustedusercakeys", "hostbasedauthentication",
               "gssapiauthentication", "kerberosauthentication")  # fmt: skip
_PATIENCE = 60


def accounts() -> list[dict[str, Any]]:
    """Every account by which somebody could do something here."""
    shadow: dict[str, tuple[str, str | None]] = {}
    for name, kept in _shadow():
        shadow.setdefault(name, kept)  # of two lines of one name the system takes the first
    found: list[dict[str, Any]] = []
    for entry in pwd.getpwall():
        password, valid_until = shadow.get(entry.pw_name, ("none", None))
        # Anything else counts, and then that of /etc/shadow does not.
        if entry.pw_passwd != "x":  # noqa: S105
            password = password_kind(entry.pw_passwd)
        groups = sorted(map(_group, os.getgrouplist(entry.pw_name, entry.pw_gid)))
        sshd = sshd_settings(_run("sshd", "-T", "-C", f"user={entry.pw_name},{_FROM}"))
        account = {
            "account": entry.pw_name,
            "uid": entry.pw_uid,
            "name": entry.pw_gecos.partition(",")[0],
            "shell": not entry.pw_shell.endswith(_NO_SHELL),
            "password": password,
            "valid_until": valid_until,
            "groups": groups,
            "ssh": may_enter(sshd, entry.pw_name, groups),
            "second_factor": second_factor(sshd),
            "other_ways": other_ways(sshd),
            "keys": [key for file in _key_files(sshd, entry) for key in _keys(file)],
            "sudo": sudo_rules(_run("sudo", "-l", "-U", entry.pw_name)),
        }
        if can_do_something(account):
            found.append(account)
    seen = last_logins({account["account"] for account in found})
    return [account | {"last_login": seen.get(account["account"])} for account in found]


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def can_do_something(account: dict[str, Any]) -> bool:
    """Whether the account is more than an owner of files and processes."""
    usable = account["password"] not in ("none", "locked")
    if account["account"] == "root":  # its shell and its rights are the system's own
        return usable or bool(account["keys"])
    rights = bool(account["keys"] or account["sudo"]) or account["uid"] == 0
    return usable or rights or bool(account["shell"])


def _shadow() -> Iterator[tuple[str, tuple[str, str | None]]]:
    for line in Path("/etc/shadow").read_text().splitlines():
        fields = line.split(":")
        yield fields[0], (password_kind(fields[1]), last_day(fields[7]))


def last_day(expires: str) -> str | None:
    """The last day of use: shadow(5) counts in days since 1970 to the first on which it is over."""
    return (date(1970, 1, 1) + timedelta(days=int(expires) - 1)).isoformat() if expires else None


def password_kind(field: str) -> str:
    """How a password is kept: the name of its hash, `locked`, `none` or `empty`; never itself.

    What has no known mark is `of an old kind`: DES, which has none, or a text in clear.
    """
    if not field:
        return "empty"
    if field.strip("!*") == "":
        return "none"
    if field.startswith("!"):
        return "locked"
    return next(
        (name for start, name in _HASHES.items() if field.startswith(start)), "of an old kind"
    )


def sshd_settings(text: str) -> dict[str, list[str]]:
    """What `sshd -T` says, by keyword; a keyword may stand several times."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


def may_enter(sshd: dict[str, list[str]], account: str, groups: list[str]) -> bool:
    """Whether sshd lets the account in at all, wherever from."""

    def named(keyword: str, names: list[str]) -> bool:
        patterns = [pattern.partition("@")[0] for pattern in " ".join(sshd[keyword]).split()]
        return any(fnmatch.fnmatchcase(name, each) for each in patterns for name in names)

    who = {"users": [account], "groups": groups}
    denied = any(f"deny{kind}" in sshd and named(f"deny{kind}", who[kind]) for kind in who)
    allowed = all(f"allow{kind}" not in sshd or named(f"allow{kind}", who[kind]) for kind in who)
    root = account != "root" or sshd.get("permitrootlogin", ["no"])[0] != "no"
    return bool(sshd) and allowed and not denied and root


def second_factor(sshd: dict[str, list[str]]) -> str:
    """What sshd asks of the account besides a key: `fido2`, `totp` or `none`."""
    methods = " ".join(sshd.get("authenticationmethods", ["any"])).split()
    if methods and all("publickey,keyboard-interactive" in each for each in methods):
        return "totp"
    kinds = sshd.get("pubkeyacceptedalgorithms", [""])[0].split(",")
    hardware = all(kind.startswith(("sk-", "webauthn-sk-")) for kind in kinds)
    unlocked = "verify-required" in sshd.get("pubkeyauthoptions", [""])[0]
    return "fido2" if hardware and unlocked and methods == ["publickey"] else "none"


def other_ways(sshd: dict[str, list[str]]) -> list[str]:
    """What else sshd lets the account in by, as `sshd -T` names it."""
    found = ((word, sshd.get(word, ["none"])[0]) for word in _OTHER_WAYS)
    return [f"{word} {value}" for word, value in found if value not in ("none", "no")]


def _key_files(sshd: dict[str, list[str]], entry: pwd.struct_passwd) -> Iterator[Path]:
    for pattern in " ".join(sshd.get("authorizedkeysfile", [])).split():
        if pattern != "none":
            tokens = {"%%": "%", "%h": entry.pw_dir, "%u": entry.pw_name, "%U": str(entry.pw_uid)}
            parts = re.split("(%[%huU])", pattern)
            yield Path(entry.pw_dir, "".join(tokens.get(part, part) for part in parts))


def _keys(file: Path) -> Iterator[dict[str, str]]:
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        key = authorized_key(line)
        if key:
            yield key | {"file": str(file)}


def authorized_key(line: str) -> dict[str, str] | None:
    """A line of authorized_keys; None for a comment and for what is no key."""
    options, rest = "", line.strip()
    if rest.startswith("#"):
        return None
    found = _key(rest)
    if found is None:
        # Options hold blanks between quotes only, and there a quote is written \".
        before = re.match(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+', rest)
        options = before.group() if before else ""
        found = _key(rest[len(options) :])
    return None if found is None else found | {"options": options}


def _key(text: str) -> dict[str, str] | None:
    """The key that a text begins with, its kind as the key itself says."""
    fields = text.split(None, 2)
    try:
        blob = base64.b64decode(fields[1], validate=True)
        kind = blob[4 : 4 + int.from_bytes(blob[:4])].decode("ascii")
    except (IndexError, ValueError):
        return None
    if not _KEY_TYPE.match(kind):
        return None
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {
        "kind": kind,
        "fingerprint": f"SHA256:{digest}",
        "comment": fields[2] if len(fields) == 3 else "",
    }


def sudo_rules(text: str) -> list[dict[str, Any]]:
    """What `sudo -l -U` grants: as whom, with a password or without, which commands.

    `exec` says whether a command may start further programs.
    """
    rules = []
    defaults = text.partition("\nUser ")[0].replace(",", " ").split()
    for line in text.splitlines():
        found = _RULE.match(line.strip())
        if not found or not line.startswith(" "):
            continue
        tags = {"password": "!authenticate" not in defaults, "exec": "noexec" not in defaults}
        for part in re.split(r"(?<!\\),\s+", found["rest"]):
            command = part
            while tag := _TAG.match(command):
                # A tag holds for the commands behind it too, until its contrary.
                tags |= _TAGS.get(tag[1], {})
                command = command[tag.end() :]
            rules.append({"run_as": found["run_as"], "command": command, **tags})
    return rules


def last_logins(names: set[str]) -> dict[str, str]:
    """When each account last came in over SSH, as far as the journal reaches back."""
    command = ["journalctl", "-q", "-r", "-t", "sshd-session", "-t", "sshd", "-o", "json",
               "--output-fields=MESSAGE", "--no-pager"]  # fmt: skip
    seen: dict[str, str] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as journal:
        for line in journal.stdout or ():
            record = json.loads(line)
            found = _ACCEPTED.match(str(record.get("MESSAGE")))
            if found and found[1] in names and found[1] not in seen:
                when = datetime.fromtimestamp(int(record["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
                seen[found[1]] = when.isoformat(timespec="seconds")
                if len(seen) == len(names):
                    break
        journal.terminate()
    return seen


def _run(*command: str) -> str:
    """What a command prints; it must be there, or nothing could be said of the host."""
    environment = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    json.dump(accounts(), sys.stdout)
