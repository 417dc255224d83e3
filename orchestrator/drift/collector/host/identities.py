"""Runs on a host: accounts, groups, what sudo lets them do and the keys that open them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.access.collect import authorized_key, last_day, password_kind
from orchestrator.drift.collector.host.commands import CannotSay, Objects, installed, output

_SYSTEM = range(1000)
_UNUSABLE = ("none", "locked", "empty")
_MARK = 12  # hexadecimal digits
_HOMES = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_OURS = "/etc/ssh/authorized_keys.d"


def identities() -> Objects:
    """Each by the files themselves: what getpwnam says may come from elsewhere, and be one only."""
    accounts = list(_fields("/etc/passwd", 7))
    shadow: dict[str, list[list[str]]] = {}
    for entry in _fields("/etc/shadow", 9):
        shadow.setdefault(entry[0], []).append(entry)
    groups: dict[str, dict[str, object]] = {
        name: {"gid": gid, "members": sorted(filter(None, members.split(",")))}
        for name, _, gid, members in _fields("/etc/group", 4)
    }
    return {
        "account": _accounts(accounts, shadow),
        "group": groups,
        "sudo": _sudo(),
        "authorized-key": dict(_keys(accounts)),
    }


def _fields(path: str, count: int) -> Iterator[list[str]]:
    for line in Path(path).read_text(errors="replace").splitlines():
        if line.strip():
            yield (line.split(":") + [""] * count)[:count]


def _accounts(
    accounts: list[list[str]], shadow: dict[str, list[list[str]]]
) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for name, password, uid, gid, comment, home, shell in accounts:
        # Of two lines of one name the system takes the first.
        lines = shadow.get(name, [])
        entry = lines[0] if lines else None
        kept = entry[1] if password == "x" and entry else password  # noqa: S105 - where it is kept
        account: dict[str, object] = {
            "uid": uid,
            "gid": gid,
            "comment": comment,
            "home": home,
            "shell": shell,
            "password": password_kind(kept),
            "valid_until": last_day(entry[7]) if entry and entry[7] else None,
        }
        if len(lines) > 1:
            account["lines_in_shadow"] = str(len(lines))
        # People may choose another password; nobody does for an account of the system.
        if account["password"] not in _UNUSABLE and (not uid.isdecimal() or int(uid) in _SYSTEM):
            # Of a salted hash: who has this can neither try a password nor tell the hash.
            account["password_mark"] = hashlib.sha256(kept.encode()).hexdigest()[:_MARK]
        # Of two entries of one name the system takes the first; the second is there all the same.
        found[name if name not in found else f"{name} (again)"] = account
    return found


def _sudo() -> dict[str, dict[str, object]]:
    if not installed("cvtsudoers"):
        return {}
    try:
        policy = json.loads(output("cvtsudoers", "-e", "-f", "json", "/etc/sudoers"))
    except ValueError as error:
        raise CannotSay(f"cvtsudoers: {error}") from error
    rules: dict[str, list[str]] = {}
    for entry in policy.get("User_Specs", ()):
        for who in entry["User_List"]:
            told = list(_rules(entry))
            rules.setdefault(_member(who), []).extend(told)
    settings = sorted(json.dumps(entry, sort_keys=True) for entry in policy.get("Defaults", ()))
    found: dict[str, dict[str, object]] = {who: {"rules": told} for who, told in rules.items()}
    return found | {"Defaults": {"settings": settings}}


def _rules(entry: dict[str, Any]) -> Iterator[str]:
    hosts = ", ".join(map(_member, entry["Host_List"]))
    for each in entry["Cmnd_Specs"]:
        users = ", ".join(map(_member, each.get("runasusers", ())))
        groups = ", ".join(map(_member, each.get("runasgroups", ())))
        options = " ".join(
            f"{key}={json.dumps(value)}"
            for option in each.get("Options", ())
            for key, value in sorted(option.items())
        )
        commands = ", ".join(map(_member, each["Commands"]))
        yield f"{hosts} = ({users} : {groups}) {options} {commands}"


def _member(member: dict[str, Any]) -> str:
    """`alice`, `%sudo`, `ALL`, or `!less`: an item of a list of sudo's."""
    signs = {"usergroup": "%", "netgroup": "+", "userid": "#", "usergid": "%#"}
    told = "".join(
        f"{signs.get(kind, '')}{name}" for kind, name in member.items() if kind != "negated"
    )
    return f"!{told}" if member.get("negated") else told


def _keys(accounts: list[list[str]]) -> Iterator[tuple[str, dict[str, object]]]:
    for name, _, _, _, _, home, _ in accounts:
        for path in (*(Path(home, file) for file in _HOMES), Path(_OURS, name)):
            try:
                lines = path.read_text(errors="replace").splitlines()
            except OSError:
                continue
            for key in filter(None, map(authorized_key, lines)):
                about = {word: key[word] for word in ("kind", "options", "comment")}
                yield f"{name} {key['fingerprint']}", {**about, "file": str(path)}
