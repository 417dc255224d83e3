"""Backups: an attacker who is root on the source, one that is built anew, archives that go."""

import json
from pathlib import Path

import pytest

from e2e.bench import STATE, Bench

SET, ANOTHER = "rbx7/client-alpha", "rbx7/client-beta"
OF_ANOTHER = "/etc/pas-infra/backup/keys/client-beta.* /var/lib/pas-infra/backup/*/client-beta*"
PLACE = "/usr/local/lib/pas-infra/backup"
# From now on, whenever the target comes: all that borg can do to the archives, with the key.
POISON = """
def poisoned(work, names=None, **where):
    there = work.repository("client-alpha")
    for words in (["delete", "--glob-archives", "*"], ["compact"],
                  ["config", "append_only", "0"], ["config", "--delete", "id"]):
        try:
            borg(work.offers, there, words)
        except Refused:
            pass
    return listing(work, names, **where)
JOBS["list"] = poisoned
"""


def test_root_on_the_source_destroys_no_backup(hardened: Bench) -> None:
    content = hardened.on(
        "rbx7",
        "mkdir -p /srv/clients/alpha; head -c 3000000 /dev/urandom > /srv/clients/alpha/data; "
        "sha256sum /srv/clients/alpha/data",
    ).split()[0]
    hardened.pas_infra("backup", "run", "--set", SET, code=0)
    first = hardened.pas_infra("backup", "list", SET, "--json", code=0).json
    assert len(first) == 1
    state = hardened.pas_infra("backup", "status", "--host", "rbx7", "--json").json
    kept = next(one for one in state["sets"] if one["set"] == SET)["target"]["kept"][-1]
    # The host has no way to the target: neither its port, nor a key.
    hardened.on("rbx7", '! timeout 3 bash -c "</dev/tcp/198.18.0.12/22"')
    hardened.hosts = None
    hardened.on("rbx7", f"cat >> {PLACE}/jobs.py", stdin=POISON)
    hardened.on("rbx7", "echo encrypted > /srv/clients/alpha/data")
    after = json.loads(hardened.pas_infra("backup", "list", SET, "--json", code=2).stdout)
    assert "restore it from root's copies" in after[0]["fault"]
    restore = ("backup", "restore", SET, "--kept", kept, "--to", "/var/tmp/back", "--escrow")  # noqa: S108
    hardened.pas_infra(*restore, code=0)
    said = hardened.on("rbx7", "sha256sum /var/tmp/back/srv/clients/alpha/data")
    assert said.split()[0] == content
    # What is there is not written over.
    hardened.pas_infra(*restore, code=1)
    hardened.pas_infra("apply", "--yes", "--role", "backup_source", "--limit", "rbx7", code=0)
    hardened.on("rbx7", f"! grep -q poisoned {PLACE}/jobs.py")
    hardened.on("rbx7", "rm -r /var/tmp/back /srv/clients/alpha/data")
    hardened.hosts = "hardened"


def test_a_source_that_was_built_anew_has_its_keys_again(hardened: Bench) -> None:
    hardened.hosts = None
    hardened.on("rbx7", "mkdir -p /srv/clients/beta; echo written > /srv/clients/beta/data")
    hardened.pas_infra("backup", "run", "--set", ANOTHER, code=0)
    hardened.on("rbx7", f"rm -rf {OF_ANOTHER}")
    hardened.pas_infra("backup", "run", "--set", ANOTHER, code=0)
    first, second = hardened.pas_infra("backup", "list", ANOTHER, "--json", code=0).json
    assert not first["fault"] + second["fault"]
    # An archive under the name of one that was made otherwise.
    catalogue = STATE / "pas-infra/environments/lab/backup/rbx7.json"
    known = catalogue.read_text()
    identity = next(
        entry["id"]
        for entry in json.loads(known)["entries"]
        if entry["archive"] == second["archive"]
    )
    catalogue.write_text(known.replace(identity, "0" * 64))
    restore = ("backup", "restore", ANOTHER, "--to", "/var/tmp/again")  # noqa: S108
    refused = hardened.pas_infra(*restore, code=1)
    assert "is another archive than was made under this name" in refused.stderr
    catalogue.write_text(known)
    hardened.pas_infra(*restore, code=0)
    hardened.on("rbx7", "cmp /srv/clients/beta/data /var/tmp/again/srv/clients/beta/data")
    hardened.on("rbx7", "rm -r /var/tmp/again /srv/clients/beta/data")
    hardened.hosts = "hardened"


@pytest.mark.full
def test_archives_that_are_kept_no_longer_go(hardened: Bench, environment_copy: Path) -> None:
    hardened.hosts = None
    for _ in range(2):
        hardened.on(
            "rbx7",
            "mkdir -p /srv/clients/beta; head -c 3000000 /dev/urandom > /srv/clients/beta/data",
        )
        hardened.pas_infra("backup", "run", "--set", ANOTHER, code=0)
    # The same environment, whose store goes by its name, with another retention.
    declared = environment_copy.rename(environment_copy.with_name("lab"))
    with (declared / "group_vars/all.yml").open("a") as variables:
        variables.write("backup_source_keep: {daily: 1, weekly: 0, monthly: 0}\n")
    listed = hardened.pas_infra("backup", "list", ANOTHER, "--json", code=0).json
    pruning = ("backup", "prune", "--set", ANOTHER, "-e", declared)
    unchecked = hardened.pas_infra(*pruning, "--confirm", "lab", code=1)
    assert "never looked through for damage" in unchecked.stderr
    hardened.pas_infra("backup", "check", "--set", ANOTHER, "--set", SET, code=0)
    mistyped = hardened.pas_infra(*pruning, "--confirm", "production", code=130)
    assert listed[0]["archive"] in mistyped.stderr
    assert hardened.pas_infra("backup", "list", ANOTHER, "--json", code=0).json == listed
    done = hardened.pas_infra(*pruning, "--confirm", "lab", "--json", code=0).json
    assert done["dropped"] == {ANOTHER: [one["archive"] for one in listed[:-1]]}
    assert done["freed"][ANOTHER] > 2_500_000
    assert hardened.pas_infra("backup", "list", ANOTHER, "--json", code=0).json == listed[-1:]
    assert "nothing is kept for longer" in hardened.pas_infra(*pruning, code=0).stdout
    hardened.pas_infra("backup", "check", "--set", ANOTHER, code=0)
    hardened.pas_infra("backup", "restore", ANOTHER, "--to", "/var/tmp/kept", code=0)  # noqa: S108
    hardened.on("rbx7", "cmp /srv/clients/beta/data /var/tmp/kept/srv/clients/beta/data")
    # Of what somebody else has deleted, nothing more goes.
    refused = hardened.pas_infra("backup", "prune", "--set", SET, "-e", declared, code=1)
    assert "is there no more" in refused.stderr
    hardened.on("rbx7", "rm -r /var/tmp/kept /srv/clients/beta/data")
    hardened.hosts = "hardened"
