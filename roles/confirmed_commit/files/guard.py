#!/usr/bin/python3
"""The host's half of the confirmed commit: save, restore, disarm.

`arm` copies this file beside the saved state, where a systemd timer (and, after a reboot, a service
that runs before the network) finds it without anybody else's help. Standard library and GNU tar
only: it must run when nothing else does.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

COMMITS = Path("/var/lib/pas-infra/commits")
UNITS = Path("/etc/systemd/system")
WANTS = {"timer": "timers.target.wants", "boot": "sysinit.target.wants"}

SERVICE = """\
[Unit]
Description=Roll back the change "{name}" of pas-infra: nobody confirmed it

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {guard} restore {name} timer
"""

TIMER = """\
[Unit]
Description=Time limit for confirming the change "{name}" of pas-infra

[Timer]
OnActiveSec={timeout}s
AccuracySec=1s
Unit={service}

[Install]
WantedBy=timers.target
"""

# Before the network and every service that could let somebody in or keep somebody out.
BOOT = """\
[Unit]
Description=Roll back the unconfirmed change "{name}" of pas-infra before the network is used
DefaultDependencies=no
Conflicts=shutdown.target
RequiresMountsFor=/var/lib/pas-infra /etc
After=local-fs.target
Before=sysinit.target network-pre.target nftables.service shutdown.target
Wants=network-pre.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 {guard} restore {name} reboot

[Install]
WantedBy=sysinit.target
"""

REASONS = {
    "timer": "it was not confirmed over a fresh connection in time",
    "reboot": "the host was restarted before it was confirmed",
    "failed": "the run failed before it could be confirmed",
    "superseded": "an earlier run had left it unconfirmed",
}


def run(*command, text=None):
    """Run a command to its end; raises RuntimeError with what it said."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def arm(request):
    """Save the state of the request's paths, units and rules, and start the time limit."""
    name = request["name"]
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise RuntimeError(f"{name!r} cannot name a commit: lower-case letters, digits and _ only")
    COMMITS.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock(name):
        if directory(name).exists():
            restore_locked(name, "superseded")
        record(name).unlink(missing_ok=True)
        state = snapshot(request)
        if "iptables-nft" in (state["ruleset"] or ""):
            # nft lists them without what it does not know of them, and would load something else.
            raise RuntimeError(
                "there are rules of iptables (ufw's, fail2ban's or Docker's), which could not be "
                "given back: remove what makes them, and restart the host"
            )
        building = COMMITS / f"{name}.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        existing = [path for path in request["paths"] if os.path.lexists(path)]
        archive = str(building / "files.tar")
        run("tar", "--create", "--absolute-names", "--acls", "--xattrs", f"--file={archive}",
            "--files-from=-", text="".join(f"{path}\n" for path in existing))  # fmt: skip
        write(building / "state.json", json.dumps({"request": request, "state": state}))
        shutil.copyfile(request["guard"], building / "guard.py")
        # All of it or nothing: whatever finds the directory finds it whole.
        building.rename(directory(name))
        write_units(name, request["timeout"])
        os.sync()
        run("systemctl", "daemon-reload")
        run("systemctl", "start", unit(name, "timer"))
    return {"armed": True, "timeout": request["timeout"]}


def status(name):
    """Whether the commit is armed, and what is not as it was when it was armed."""
    if not directory(name).exists():
        rolled_back = record(name)
        return {
            "armed": False,
            "changed": [],
            "rolled_back": json.loads(rolled_back.read_text()) if rolled_back.exists() else None,
        }
    saved = load(name)
    return {"armed": True, "changed": differences(saved["state"], snapshot(saved["request"]))}


def confirm(name):
    """Keep the new state; raises RuntimeError when it has been rolled back meanwhile."""
    with lock(name):
        if not directory(name).exists():
            raise RuntimeError(f"the commit {name} is not armed: it has been rolled back")
        changed = status(name)["changed"]
        remove(name)
    return {"armed": False, "changed": changed}


def restore(name, reason):
    """Bring back what was saved and leave a record of it; does nothing when nothing is armed."""
    with lock(name):
        if not directory(name).exists():
            return {"armed": False, "changed": []}
        return restore_locked(name, reason)


def restore_locked(name, reason):
    saved = load(name)
    request, state = saved["request"], saved["state"]
    now = snapshot(request)
    changed = differences(state, before_the_start(state, now) if reason == "reboot" else now)
    faults = []

    def attempt(step, *arguments):
        # One step that fails must not keep the others from letting the operator in again.
        try:
            step(*arguments)
        except (OSError, RuntimeError) as error:
            faults.append(str(error))

    for path in foreign(request, state):
        attempt(delete, path)
    attempt(unpack, name)
    attempt(strip, request, state)
    attempt(run, "systemctl", "daemon-reload")
    for unit_name, before in state["units"].items():
        attempt(restore_unit, unit_name, before, reason == "reboot")
    # After the units, of which one may load rules from a file, or empty them when it stops.
    if state["ruleset"] is not None:
        attempt(lambda: run("nft", "-f", "-", text=f"flush ruleset\n{state['ruleset']}"))
    entry = {
        "name": name,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "why": REASONS[reason],
        "changed": changed,
        "faults": faults,
    }
    write(record(name), json.dumps(entry))
    if faults:
        # Kept armed: after the next boot it is tried again.
        raise RuntimeError("; ".join(faults))
    remove(name)
    return {"armed": False, **entry}


def foreign(request, state):
    """What was not there when the commit was armed, or was of another type; the deepest first."""
    found = {entry for path in request["paths"] for entry in tree(path)}
    kinds = {path: described[0] for path, described in state["files"].items()}
    # A file's place may be taken by a link: to write through it would hit what it points to.
    new = [path for path in found if stat.S_IFMT(os.lstat(path).st_mode) != kinds.get(path)]
    return sorted(new, key=len, reverse=True)


def delete(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    else:
        os.unlink(path)


def unpack(name):
    # Each file is made anew, never written through: one that has other links keeps them apart.
    archive = str(directory(name) / "files.tar")
    run("tar", "--extract", "--absolute-names", "--acls", "--xattrs", "--xattrs-include=*",
        "--same-owner", "--preserve-permissions", f"--file={archive}")  # fmt: skip


def strip(request, state):
    """Remove the attributes that were not there, which unpacking over a directory leaves."""
    for path in (found for entry in request["paths"] for found in tree(entry)):
        if path not in state["files"]:
            continue  # it could not be deleted, which is a fault of its own
        before = [attribute for attribute, _ in state["files"][path][-1]]
        for attribute, _ in attributes(path):
            if attribute not in before:
                os.removexattr(path, attribute, follow_symlinks=False)


def restore_unit(unit_name, before, booting):
    wanted = before["UnitFileState"]
    if wanted in ("enabled", "disabled", "masked"):
        if wanted != "masked":
            run("systemctl", "unmask", "--quiet", unit_name)
        run("systemctl", {"enabled": "enable", "disabled": "disable", "masked": "mask"}[wanted],
            "--quiet", unit_name)  # fmt: skip
    active = before["ActiveState"] in ("active", "activating", "reloading")
    if booting:
        # Waiting for a unit here would wait for ourselves: it starts after this one.
        run("systemctl", "--no-block", "start" if active else "stop", unit_name)
    elif active:
        with contextlib.suppress(RuntimeError):  # one that is not loaded has not failed either
            run("systemctl", "reset-failed", unit_name)
        run("systemctl", "reload-or-restart", unit_name)
    elif unit_state(unit_name)["ActiveState"] not in ("inactive", "failed"):
        run("systemctl", "stop", unit_name)


def snapshot(request):
    """What the request's paths, units and rules are now, in a form that can be compared."""
    files = {found: describe(found) for path in request["paths"] for found in tree(path)}
    units = {}
    for unit_name in request["units"]:
        shown = run(
            "systemctl", "show", "--property=LoadState,UnitFileState,ActiveState", unit_name
        )
        units[unit_name] = dict(line.split("=", 1) for line in shown.splitlines() if line)
    ruleset = run("nft", "--stateless", "list", "ruleset") if request["ruleset"] else None
    return {"files": files, "units": units, "ruleset": ruleset}


def before_the_start(saved, now):
    """What is there now, less what nothing has started or loaded yet at a boot."""
    units = {
        unit_name: {**found, "ActiveState": saved["units"][unit_name]["ActiveState"]}
        for unit_name, found in now["units"].items()
    }
    return {**now, "units": units, "ruleset": saved["ruleset"]}


def unit_state(unit_name):
    shown = run("systemctl", "show", "--property=LoadState,UnitFileState,ActiveState", unit_name)
    return dict(line.split("=", 1) for line in shown.splitlines() if line)


def differences(before, after):
    """The files and units that differ, and "nftables" for the rules, in alphabetical order."""
    changed = {
        key
        for part in ("files", "units")
        for key in before[part].keys() | after[part].keys()
        if before[part].get(key) != after[part].get(key)
    }
    return sorted(changed) + (["nftables"] if before["ruleset"] != after["ruleset"] else [])


def tree(path):
    if not os.path.lexists(path):
        return []
    found = [path]
    if os.path.isdir(path) and not os.path.islink(path):
        for top, directories, files in os.walk(path):
            found += [os.path.join(top, entry) for entry in (*directories, *files)]
    return found


def describe(path):
    status = os.lstat(path)
    content = ""
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return [stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid,
            status.st_gid, content, attributes(path)]  # fmt: skip


def attributes(path):
    """Extended attributes, access control lists and capabilities among them."""
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
        return [[name, os.getxattr(path, name, follow_symlinks=False).hex()] for name in names]
    except OSError:  # a file system that has none
        return []


def write_units(name, timeout):
    guard = directory(name) / "guard.py"
    texts = {
        unit(name, "service"): SERVICE.format(name=name, guard=guard),
        unit(name, "timer"): TIMER.format(
            name=name, timeout=timeout, service=unit(name, "service")
        ),
        unit(name, "boot"): BOOT.format(name=name, guard=guard),
    }
    for unit_name, text in texts.items():
        write(UNITS / unit_name, text, 0o644)
    for kind, wants in WANTS.items():
        link = UNITS / wants / unit(name, kind)
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(UNITS / unit(name, kind))


def remove(name):
    """Disarm: no timer, no unit, no saved state."""
    for kind, wants in WANTS.items():
        (UNITS / wants / unit(name, kind)).unlink(missing_ok=True)
    with contextlib.suppress(RuntimeError):  # at boot the timer has never been loaded
        run("systemctl", "stop", unit(name, "timer"))
    for kind in ("timer", "boot", "service"):
        (UNITS / unit(name, kind)).unlink(missing_ok=True)
    shutil.rmtree(directory(name))
    run("systemctl", "daemon-reload")


def unit(name, kind):
    stem = f"pas-infra-rollback-{name.replace('_', '-')}"
    return {"timer": f"{stem}.timer", "boot": f"{stem}-boot.service"}.get(kind, f"{stem}.service")


def directory(name):
    return COMMITS / name


def record(name):
    return COMMITS / f"{name}.rolled-back.json"


def load(name):
    return json.loads((directory(name) / "state.json").read_text())


def write(path, text, mode=0o600):
    path.touch(mode)
    path.chmod(mode)
    path.write_text(text)


@contextlib.contextmanager
def lock(name):
    """The timer and the operator may come at the same moment: one of them wins."""
    COMMITS.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (COMMITS / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments):
    """`arm REQUEST`, `status NAME`, `confirm NAME` or `restore NAME REASON`; JSON on stdout."""
    verb, *rest = arguments
    if verb == "arm":
        answer = arm(json.loads(rest[0]))
    else:
        answer = {"status": status, "confirm": confirm, "restore": restore}[verb](*rest)
    print(json.dumps(answer))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, RuntimeError) as error:
        sys.exit(str(error))
