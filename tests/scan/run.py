"""Scan a host with scanners that none of us wrote, before and after an apply: `make scan`.

The host is a virtual machine of a lab of its own, at level *high*. What the scanners said is kept
in the state directory, and docs/scores.md is written anew from it. Exit code 2 says that a bar is
missed, or that a rule fails for which tests/scan/reasons.yml has no reason.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from content import corrected, read_corrections
from report import Scan, write_report
from scanners import PROFILES, read_lynis, read_oscap, read_ssh_audit

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("pas-infra")
LAB, HOST, OUTSIDER, ADDRESS = "scan", "rbx7", "outsider", "198.18.0.11"
CONTENT = "/usr/share/xml/scap/ssg/content/ssg-debian12-ds.xml"
SCANNERS = "openscap-scanner ssg-debian lynis"
OSCAP = r"""
oscap xccdf eval --profile "xccdf_org.ssgproject.content_profile_$PROFILE" \
    --results /root/results.xml "/root/$DATA" > /root/oscap.log 2>&1 || [ $? = 2 ]
cat /root/results.xml
rm /root/results.xml
"""


@dataclass(frozen=True)
class Lab:
    """The lab of the scans, and the environment that declares its host at level high."""

    state: Path
    environment: Path

    def pas_infra(self, *arguments: str, codes: tuple[int, ...] = (0,), stdin: str = "") -> str:
        done = subprocess.run(
            [PROGRAM, *arguments],
            env={
                **os.environ,
                "XDG_STATE_HOME": str(self.state),
                "PAS_INFRA_LAB_DIR": str(self.state / "pas-infra/labs" / LAB),
                "ANSIBLE_TIMEOUT": "300",  # an emulated login on a busy machine takes minutes
            },
            cwd=ROOT,
            input=stdin,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode not in codes:
            sys.exit(f"`pas-infra {' '.join(arguments)}` ended with {done.returncode}")
        return done.stdout

    def on(self, machine: str, script: str, **variables: str) -> str:
        """Run a script as root on a machine."""
        given = "".join(f"{name}={value}\n" for name, value in variables.items())
        return self.pas_infra(
            *("lab", "ssh", "--name", LAB, machine, "sudo sh -eus"), stdin=given + script
        )


def scan(lab: Lab, profiles: list[str], results: Path) -> None:
    """Have the scanners look at the host as it is now; what they say is kept in `results`."""
    results.mkdir(parents=True, exist_ok=True)
    evaluations = [(f"{profile}.xml", profile, "corrected.xml") for profile in profiles]
    for name, profile, data in [("delivered.xml", PROFILES[-1], "delivered.xml"), *evaluations]:
        said = lab.on(HOST, OSCAP, PROFILE=profile, DATA=data)
        (results / name).write_text(said, "utf-8")
    lynis = lab.on(
        HOST,
        "lynis audit system --quick --quiet --no-colors --report-file /root/lynis.dat > /dev/null\n"
        "cat /root/lynis.dat",
    )
    (results / "lynis.dat").write_text(lynis, "utf-8")
    audited = lab.pas_infra(
        *("lab", "ssh", "--name", LAB, OUTSIDER),
        f"ssh-audit --skip-rate-test --json {ADDRESS} || true",
    )
    (results / "ssh-audit.json").write_text(audited, "utf-8")


def bring_content(lab: Lab) -> None:
    """Put the content on the host: as delivered but for the release, and corrected."""
    content, corrections = lab.on(HOST, f"cat {CONTENT}"), read_corrections()
    needed = tuple(each for each in corrections if each.delivered)
    for name, chosen in (("delivered.xml", needed), ("corrected.xml", corrections)):
        lab.pas_infra(
            *("lab", "ssh", "--name", LAB, HOST, f"sudo tee /root/{name} > /dev/null"),
            stdin=corrected(content, chosen),
        )


def read_scan(results: Path) -> Scan:
    """What the scanners said, read again."""
    found = [profile for profile in PROFILES if (results / f"{profile}.xml").exists()]
    return Scan(
        {p: read_oscap((results / f"{p}.xml").read_text("utf-8")) for p in found},
        read_oscap((results / "delivered.xml").read_text("utf-8")),
        read_lynis((results / "lynis.dat").read_text("utf-8")),
        read_ssh_audit((results / "ssh-audit.json").read_text("utf-8")),
    )


def scan_before_and_after(lab: Lab, profiles: list[str], results: Path, *, keep: bool) -> None:
    """Build the host, scan it, apply to it, and scan it again."""
    shutil.rmtree(results, ignore_errors=True)
    lab.pas_infra("lab", "down", "--name", LAB, "--erase")
    try:
        lab.pas_infra("lab", "up", "--name", LAB, HOST, "--backend", "qemu")
        lab.pas_infra("lab", "up", "--name", LAB, OUTSIDER)
        lab.on(HOST, f"apt-get update -qq && apt-get install -qq -y {SCANNERS} > /dev/null")
        bring_content(lab)
        scan(lab, profiles, results / "before")
        # What does not hold is the scanners' to say here; what fails is in the run's output.
        lab.pas_infra(
            *("apply", "--yes", "--reboot", "--env", str(lab.environment), "--limit", HOST),
            *("--confirm-timeout", "300"),
            codes=(0, 2),
        )
        scan(lab, profiles, results / "after")
        # At the highest level too an apply leaves nothing to do.
        lab.pas_infra("plan", "--env", str(lab.environment), "--limit", HOST)
    finally:
        if not keep:
            lab.pas_infra("lab", "down", "--name", LAB, "--erase")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="append", help="only these; all four without it")
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    parser.add_argument("--again", action="store_true", help="write the page of the last results")
    chosen = parser.parse_args()
    state = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local/state"))
    results = state / "pas-infra/scan-results"
    if not chosen.again:
        with tempfile.TemporaryDirectory(prefix="pas-infra-scan-") as scratch:
            environment = Path(scratch) / "lab"
            shutil.copytree(ROOT / "inventories/lab", environment)
            variables = environment / f"host_vars/{HOST}.yml"
            content = yaml.safe_load(variables.read_text("utf-8")) | {"hardening_level": "high"}
            variables.write_text(yaml.safe_dump(content, explicit_start=True), "utf-8")
            profiles = chosen.profile or list(PROFILES)
            scan_before_and_after(Lab(state, environment), profiles, results, keep=chosen.keep)
    day = datetime.fromtimestamp((results / "after/lynis.dat").stat().st_mtime, UTC).date()
    missed = write_report(read_scan(results / "before"), read_scan(results / "after"), day)
    print("docs/scores.md is written", *missed, sep="\n", file=sys.stderr)
    return 2 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
