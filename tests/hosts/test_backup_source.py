"""Checks of role backup_source: what a host backs up, for whom, and what it keeps to itself."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Answers
from declared import Declared

ACCOUNT = "pas-backup"
PIPE = "/usr/local/lib/pas-infra/backup-pipe"
STATE = "/var/lib/pas-infra/backup"
KEYS = "/etc/pas-infra/backup"
# What the last archives hold that opens something: by its place, or by its first bytes.
SECRETS = """python3 - <<'PY'
import fnmatch, json
from pathlib import Path
never = json.loads(Path("/etc/pas-infra/backup/sets.json").read_text())["never"]
for file in Path("/var/lib/pas-infra/backup/manifests").glob("*.json"):
    for path, one in json.loads(file.read_text()).items():
        start = b""
        if one["kind"] == "file":
            try:
                with open(path, "rb") as opened:
                    start = opened.read(64)
            except OSError:
                pass
        opens = start.startswith((b"BORG_KEY ", b"LUKS\\xba\\xbe")) or (
            start.startswith(b"-----BEGIN ") and b"PRIVATE KEY-----" in start)
        if opens or any(fnmatch.fnmatchcase(path, each) for each in NEVER):
            print(path)
PY"""

Sets = list[Mapping[str, Any]]


@pytest.fixture(scope="module")
def sets(declared: Declared) -> Sets:
    """The data sets of this host."""
    return [one for one in declared.repositories if one["host"] == declared.host]


@pytest.mark.pas("7.5.1")
def test_host_waits_for_the_target(answers: Answers, sets: Sets) -> None:
    """The host waits for the backup target, and starts a backup that has no network of its own."""
    if not sets:
        return
    shown = answers("systemctl show -p ActiveState,UnitFileState pas-infra-backup.socket").split()
    assert set(shown) == {"ActiveState=active", "UnitFileState=enabled"}, " ".join(shown)
    sandbox = answers(
        "systemctl show -p PrivateNetwork,ProtectSystem,NoNewPrivileges pas-infra-backup.service"
    ).split()
    assert set(sandbox) == {
        "PrivateNetwork=yes", "ProtectSystem=strict", "NoNewPrivileges=yes"
    }, f"the backup runs with {' '.join(sandbox)}"  # fmt: skip
    command = answers("systemctl show -P ExecStart pas-infra-backup.service")
    assert "/usr/local/lib/pas-infra/backup daily" in command, f"it starts {command.strip()}"


@pytest.mark.pas("7.5.1")
def test_what_is_declared_is_backed_up(answers: Answers, sets: Sets) -> None:
    """Every data set of this host is backed up, from the paths that are declared."""
    if not sets:
        return
    told = json.loads(answers(f"cat {KEYS}/sets.json"))
    found = {one["name"]: sorted(one["paths"]) for one in told["sets"]}
    assert found == {one["name"]: sorted(one["paths"]) for one in sets}


@pytest.mark.pas("7.5.1")
def test_archives_are_recent_and_whole(answers: Answers, sets: Sets, declared: Declared) -> None:
    """Each data set has an archive younger than declared, which holds all that was to be in it."""
    oldest = timedelta(hours=declared["backup_source_max_age_hours"])
    now = datetime.fromisoformat(answers("date -u +%Y-%m-%dT%H:%M:%S+00:00").strip())
    for one in sets:
        file = f"{STATE}/catalogue/{one['name']}.jsonl"
        said = answers(f"tail -n 1 {file} 2>/dev/null || true").strip()
        if not said:
            begun = float(answers(f"stat -c %W {STATE} | sed 's/^-$/0/'"))
            waiting = now - datetime.fromtimestamp(begun, UTC)
            assert begun == 0 or waiting < oldest, f"{one['name']} has never been backed up"
            pytest.skip(f"{one['name']} has no archive yet: pas-infra backup run makes the first")
        last = json.loads(said)
        age = now - datetime.fromisoformat(last["ended"])
        assert age < oldest, f"the last archive of {one['name']} is {age} old"
        assert not last["missing"], f"{one['name']} lacks {len(last['missing'])} files"


@pytest.mark.pas("5.3.1", "7.5.1")
def test_target_gets_nothing_but_the_backup(answers: Answers, sets: Sets) -> None:
    """Whoever has the target's key gets no shell and no command here, only the backup's way."""
    if not sets:
        return
    keys = answers(f"cat /etc/ssh/authorized_keys.d/{ACCOUNT}").splitlines()
    for line in (each for each in keys if each.strip() and each[0] != "#"):
        for option in ("restrict", 'from="', f'command="{PIPE}"'):
            assert option in line, f"a key of {ACCOUNT} is not bound by {option}"
    for wanted in ("id", "/bin/sh", "backup; id", ""):
        said = answers(
            f"runuser -u {ACCOUNT} -- env SSH_ORIGINAL_COMMAND='{wanted}' {PIPE} </dev/null 2>&1;"
            " echo $?"
        ).split("\n")
        assert said[-2] == "2", f"`{wanted}` ends with {said[-2]}"
        assert "uid=" not in "".join(said), f"`{wanted}` is run"


@pytest.mark.pas("6.1.3", "6.4.2")
def test_keys_of_the_backups_are_roots(answers: Answers, sets: Sets) -> None:
    """The keys of the backups are read by root alone, above all not by whom the target comes as."""
    if not sets:
        return
    for place in (f"{KEYS}/keys", STATE):
        mode = answers(f"stat -c '%U %a' {place}").strip()
        assert mode == "root 700", f"{place} is {mode}"
    script = f"find {KEYS} {STATE} ! -user root -o -perm /077 ! -type l ! -type d"
    open_to_others = answers(f"{script} -print 2>/dev/null || true").split()
    keys = [path for path in open_to_others if path.startswith(f"{KEYS}/keys/")]
    assert not keys, f"open to others: {', '.join(keys)}"
    read = answers(f"runuser -u {ACCOUNT} -- find {KEYS} -type f -readable 2>/dev/null || true")
    assert not read.strip(), f"{ACCOUNT} reads {read.split()[0]}"


@pytest.mark.pas("6.1.3", "6.4.2")
def test_archives_hold_no_secret(answers: Answers, sets: Sets, declared: Declared) -> None:
    """No archive holds a key: neither by its place, nor by what a file begins with."""
    if not sets:
        return
    told = json.loads(answers(f"cat {KEYS}/sets.json"))["never"]
    lacking = sorted(set(declared["backup_source_never"]) - set(told))
    assert not lacking, f"no longer left out: {', '.join(lacking)}"
    script = SECRETS.replace("NEVER", json.dumps(declared["backup_source_never"]))
    found = answers(script).splitlines()
    assert not found, f"in the last archive: {', '.join(found[:5])}"
