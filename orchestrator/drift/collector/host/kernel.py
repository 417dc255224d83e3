"""Runs on a host: the kernel's settings, its command line and modules, the clock.

A container has no kernel of its own: what it sees of one says nothing of the host.
"""

import os
import re
from functools import cache
from pathlib import Path

from orchestrator.drift.collector.host.commands import CannotSay, Objects, installed, output

_SYSCTL = Path("/proc/sys")
# What the kernel counts or works out from the machine that it finds, and what holds for interfaces
# that come and go with a container or a tunnel.
_LIVING = re.compile(
    r"kernel\.(?:ns_last_pid|random\..*|threads-max|keys\..*|sched_domain\..*|hostname|domainname"
    r"|pty\.nr|tainted|hung_task_(?:detect_count|warnings)|perf_event_max_sample_rate"
    r"|pid_max|cad_pid|shm_next_id|msg_next_id|sem_next_id)"
    r"|fs\.(?:file-max|nr_open|epoll\..*|inotify\..*|quota\..*|binfmt_misc\..*|mqueue\..*)"
    r"|user\..*|vm\.(?:(?:min_free|user_reserve|admin_reserve)_kbytes|lowmem_reserve_ratio"
    r"|drop_caches|compact_memory|stat_refresh)"
    r"|net\.ipv4\.(?:tcp_mem|udp_mem|tcp_max_(?:orphans|tw_buckets)|neigh\..*|tcp_fastopen_key)"
    r"|net\.ipv6\.neigh\..*|net\.ipv[46]\.route\..*|net\.netfilter\..*|.*\.stable_secret"
    r"|net\.ipv[46]\.conf\.(?:veth|docker|br-|virbr|vb-|ve-|cni|cali|tun|tap|ifb).*"
)
# Loaded by whoever lists sockets, this collector for one.
_PASSING = re.compile(r"(?:\w+_)?diag")
_TAINTS = {0: "proprietary", 1: "forced", 12: "out of tree", 13: "unsigned"}


@cache
def container() -> str:
    """What kind of container the host is, or ""."""
    try:
        return output("systemd-detect-virt", "--container").strip().replace("none", "")
    except CannotSay:  # says `none`, and fails
        return ""


def sysctl() -> Objects:
    """Each setting that can be written; in a container, those of its network only."""
    found: dict[str, dict[str, object]] = {}
    top = _SYSCTL / "net" if container() else _SYSCTL
    for place, _, names in os.walk(top):
        for name in names:
            path = Path(place, name)
            # A dot in a name, as of an interface, is written as a slash.
            dotted = ".".join(part.replace(".", "/") for part in path.relative_to(_SYSCTL).parts)
            if _LIVING.fullmatch(dotted):
                continue
            try:
                if path.stat().st_mode & 0o222:
                    found[dotted] = {"value": " ".join(path.read_text(errors="replace").split())}
            except OSError:  # can be written only, or is not set
                continue
    return {"sysctl": found}


def kernel() -> Objects:
    """How the kernel was started, what was loaded into it and who guards it."""
    if container():
        return {}
    modules: dict[str, dict[str, object]] = {}
    listed = Path("/proc/modules")
    for line in listed.read_text().splitlines() if listed.exists() else ():
        name = line.split()[0]
        if not _PASSING.fullmatch(name):
            modules[name] = {}
    words = Path("/proc/cmdline").read_text().split()
    taint = int(Path("/proc/sys/kernel/tainted").read_text())
    about: dict[str, dict[str, object]] = {
        # The image's name is that of the newest kernel after each upgrade.
        "command line": {
            "words": [w for w in words if not w.startswith(("BOOT_IMAGE=", "initrd="))]
        },
        "modules": {"taint": [what for bit, what in _TAINTS.items() if taint >> bit & 1]},
    }
    for name in ("lsm", "lockdown"):
        try:
            about[name] = {"value": Path("/sys/kernel/security", name).read_text().strip()}
        except OSError:
            about[name] = {"value": "none"}
    return {"module": modules, "kernel": about}


def clock() -> Objects:
    """How far the clock is from its sources, as far as it matters to a log."""
    if not installed("chronyc"):
        return {"clock": {}}
    fields = output("chronyc", "-c", "tracking").strip().split(",")
    if len(fields) < 5:
        raise CannotSay("chronyc: not what it prints of its tracking")
    offset = abs(float(fields[4]))
    return {"clock": {"offset": {"from its sources": "within 1 s" if offset < 1 else "over 1 s"}}}
