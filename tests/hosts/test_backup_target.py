"""Checks of role backup_target: that backups are fetched, and nobody but root destroys them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Answers
from declared import Declared

SERVING = "pas-store"
OFFER = "/usr/local/lib/pas-infra/backup-offer"
SERVE = "/usr/local/lib/pas-infra/backup-serve"
SOURCES = "/etc/pas-infra/backup-target"
# The command that would serve a source, as the installed program makes it.
SERVED = f"""python3 - <<'PY'
import json, sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
sys.dont_write_bytecode = True
offer = SourceFileLoader("offer", "{OFFER}").load_module()
print(json.dumps({{
    file.stem: {{"asked": asked, "serve": offer.serve_command(asked),
                 "login": offer.login_command(file.stem, asked, "backup")}}
    for file in Path("{SOURCES}").glob("*.json")
    for asked in [json.loads(file.read_text())]
}}))
PY"""

# Speaks borg's protocol itself, for a repository of its own: borg's client asks for nothing bad.
DESTROY = f"""runuser -u {SERVING} -- env PYTHONDONTWRITEBYTECODE=1 python3 - <<'PY'
import os, subprocess, tempfile
from borg.helpers import msgpack
from borg.remote import ARGS, MSG, MSGID
with tempfile.TemporaryDirectory() as work:
    place = os.path.join(work, "repository")
    os.mkdir(place)
    made = ("open", dict(path=place, create=True, lock_wait=1, lock=True, exclusive=True))
    for calls in ([made], [made, ("destroy", dict())]):
        asked = [msgpack.packb({{MSGID: n, MSG: method, ARGS: args}})
                 for n, (method, args) in enumerate(calls)]
        served = subprocess.Popen(
            ["{SERVE}", "serve", "--append-only", "--restrict-to-repository=" + place],
            stdin=-1, stdout=-1, stderr=-1, env=dict(PATH="/usr/bin:/bin", BORG_BASE_DIR=work))
        served.communicate(b"".join(asked))
        print(*sorted(os.listdir(place) if os.path.isdir(place) else ()))
PY"""

Sources = dict[str, list[str]]


@pytest.fixture(scope="module")
def sources(declared: Declared) -> Sources:
    """The sources that this host is to fetch, with their repositories."""
    if declared.host not in declared["backup_target_hosts"]:
        return {}
    reached = declared["backup_target_sources"]
    found: Sources = {}
    for one in declared.repositories:
        if one["host"] != declared.host and one["host"] in reached:
            found.setdefault(one["host"], []).append(one["name"])
    return found


@pytest.fixture(scope="module")
def served(answers: Answers, sources: Sources) -> dict[str, dict[str, Any]]:
    """What each source would be served with."""
    found: dict[str, dict[str, Any]] = json.loads(answers(SERVED)) if sources else {}
    return found


@pytest.mark.pas("7.5.1")
def test_backups_are_fetched_daily(answers: Answers, sources: Sources) -> None:
    """Each source is fetched by a timer that runs every day, also after a time without power.

    Nobody else is.
    """
    links = answers(
        "cd /etc/systemd/system/timers.target.wants && ls -d pas-infra-backup@*.timer || :"
    )
    fetched = {
        link.removeprefix("pas-infra-backup@").removesuffix(".timer") for link in links.split()
    }
    assert fetched == set(sources), f"fetched are {sorted(fetched)}"
    for source in sources:
        timer = f"pas-infra-backup@{source}.timer"
        shown = answers(f"systemctl show -p ActiveState,UnitFileState,Persistent {timer}").split()
        assert set(shown) == {
            "ActiveState=active", "UnitFileState=enabled", "Persistent=yes"
        }, f"{source}: {' '.join(shown)}"  # fmt: skip
        now = int(answers("date +%s"))
        following = answers(f'date +%s -d "$(systemctl show -P NextElapseUSecRealtime {timer})"')
        waits = timedelta(seconds=int(following) - now)
        assert timedelta(0) <= waits <= timedelta(hours=25), f"{source} is next fetched in {waits}"
        service = answers(
            f"systemctl show -p User,NoNewPrivileges,ProtectSystem,ExecStart "
            f"pas-infra-backup@{source}.service"
        )
        for setting in (f"User={SERVING}", "NoNewPrivileges=yes", "ProtectSystem=strict",
                        f"{OFFER} {source} backup"):  # fmt: skip
            assert setting in service, f"the service of {source} lacks {setting}"


@pytest.mark.pas("7.5.1")
def test_sources_only_add_to_their_own(sources: Sources, served: dict[str, dict[str, Any]]) -> None:
    """What a source is served with only adds, within a quota, to its own repositories."""
    assert served.keys() == sources.keys()
    for source, names in sources.items():
        command, place = served[source]["serve"], served[source]["asked"]["place"]
        assert command[:3] == [SERVE, "serve", "--append-only"], f"{source}: {' '.join(command)}"
        assert any(each.startswith("--storage-quota=") for each in command), f"{source}: no quota"
        allowed = {each for each in command[3:] if not each.startswith("--storage-quota=")}
        wanted = {
            f"--restrict-to-repository={place}/{inside}{name}"
            for name in names
            for inside in ("", ".recalled/")
        }
        assert allowed == wanted, f"{source}: {', '.join(sorted(allowed ^ wanted))}"
        assert "StrictHostKeyChecking=yes" in served[source]["login"]


@pytest.mark.pas("7.5.1")
def test_no_source_destroys_what_is_there(answers: Answers, sources: Sources) -> None:
    """Whatever a source says in borg's protocol, a repository that is there stays."""
    if not sources:
        return
    made, left = answers(DESTROY).splitlines()
    assert {"config", "data"} <= set(made.split()), f"no repository can be made: {made}"
    assert left == made, f"a source can destroy a repository: of {made} there is left {left}"


@pytest.mark.pas("6.1.3")
def test_no_key_of_a_backup_lies_here(
    answers: Answers, sources: Sources, served: dict[str, dict[str, Any]]
) -> None:
    """This host holds no key of what it stores, and no repository that carries one within."""
    if not sources:
        return
    for source, names in sources.items():
        place = served[source]["asked"]["place"]
        for name in names:
            found = answers(f"grep -l '^key *=' {place}/{name}/config 2>/dev/null || true")
            assert not found.strip(), f"{source}/{name} carries its own key"
    where = "/root/.config/borg /etc/pas-infra /home /srv/backup*"
    keys = answers(f"grep -rIl --exclude-dir=data '^BORG_KEY ' {where} 2>/dev/null || true").split()
    assert not keys, f"a key of borg's lies in {', '.join(keys)}"


@pytest.mark.pas("7.5.1", "11.1.1")
def test_nobody_but_root_reaches_the_copies(
    answers: Answers, sources: Sources, served: dict[str, dict[str, Any]]
) -> None:
    """Whoever serves the repositories can neither see root's copies, nor replace a repository."""
    for source, names in sources.items():
        asked = served[source]["asked"]
        kept, place = asked["kept"], asked["place"]
        for directory, wanted in ((kept, "root root 700"), (place, f"root {SERVING} 750")):
            mode = answers(f"stat -c '%U %G %a' {directory}").strip()
            assert mode == wanted, f"{directory} is {mode}"
        foreign = answers(f"find {kept} ( ! -user root -o -perm /022 ) ! -type l -print -quit"
                          .replace("(", "\\(").replace(")", "\\)"))  # fmt: skip
        assert not foreign.strip(), f"{foreign.strip()} is not root's alone"
        tried = answers(
            f"runuser -u {SERVING} -- sh -c 'ls {kept} || mv {place}/{names[0]} {place}/gone' "
            "2>/dev/null && echo done || echo refused"
        )
        assert tried.split()[-1] == "refused", f"{SERVING} reaches {kept} or moves {names[0]}"


@pytest.mark.pas("7.5.1", "11.1.1")
def test_each_backup_is_copied(
    answers: Answers, sources: Sources, served: dict[str, dict[str, Any]]
) -> None:
    """Root has a copy of each source that is no older than what was written last."""
    for source in sources:
        asked = served[source]["asked"]
        written = answers(
            f"find {asked['place']} -path '*/data/*' -type f -printf '%T@\\n' | sort -n | tail -n 1"
        ).strip()
        if not written:
            continue  # it has not been backed up yet, which its own checks say
        copies = answers(f"ls {asked['kept']}").split()
        assert copies, f"root has no copy of {source}"
        last = datetime.strptime(copies[-1], "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
        assert last.timestamp() + 1 >= float(written) - 3600, f"the last copy of {source} is {last}"


@pytest.mark.pas("6.4.2")
def test_the_way_to_the_sources_is_roots(answers: Answers, sources: Sources) -> None:
    """The key by which this host comes to the sources is root's alone."""
    if not sources:
        return
    mode = answers(f"stat -c '%U %G %a' {SOURCES}/id_ed25519").strip()
    assert mode == "root root 600", f"it is {mode}"
