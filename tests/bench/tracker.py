"""Reading the tracker's data at its full size: `python tests/bench/tracker.py`.

Makes a synthetic file in the tracker's form (as many packages and vulnerabilities as the real one,
about 80 MB), and says how long and with how much memory it is read and compared with a host.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

PACKAGES, ADVISORIES = 3600, 62_000
KERNELS = 14_000  # of them in one package, `linux`
INSTALLED = 1000
RELEASES = ("bookworm", "bullseye", "forky", "sid", "trixie")
URGENCIES = ("not yet assigned", "low", "medium", "high", "unimportant")
LARGEST_SECONDS, LARGEST_MB = 10.0, 500


def make(file: Path) -> None:
    rng = random.Random(7)  # noqa: S311 - the same one each time
    content: dict[str, dict[str, object]] = {"linux": {}}
    content |= {f"package-{number:04}": {} for number in range(PACKAGES - 1)}
    names = list(content)
    for number in range(ADVISORIES):
        package = "linux" if number < KERNELS else names[1 + rng.randrange(len(names) - 1)]
        content[package][f"CVE-{2005 + number % 22}-{10000 + number}"] = {
            "description": f"SYNTHETIC {number}: " + "a flaw that does not exist " * 9,
            "scope": "remote",
            "debianbug": number,
            "releases": {release: state(rng, release) for release in RELEASES},
        }
    file.write_text(json.dumps(content))


def state(rng: random.Random, release: str) -> dict[str, object]:
    status = "open" if rng.random() < 0.1 else "resolved"
    version = f"1.{rng.randrange(30)}-{rng.randrange(9)}"
    found: dict[str, object] = {
        "status": status,
        "repositories": {release: version, f"{release}-security": version},
        "urgency": rng.choice(URGENCIES),
    }
    if status == "resolved":
        found["fixed_version"] = version if rng.random() < 0.6 else "0"
    elif rng.random() < 0.5:
        found |= {"nodsa": "Minor issue", "nodsa_reason": "postponed"}
    return found


def read(file: Path) -> None:
    """In a process of its own, so that its memory is only that of reading."""
    from orchestrator.vulnerabilities.exposure import exposures
    from orchestrator.vulnerabilities.installed import Source
    from orchestrator.vulnerabilities.tracker import read_advisories

    installed = {Source("linux", "1.9-1")}
    installed |= {Source(f"package-{number:04}", "1.12-1") for number in range(INSTALLED)}
    started = time.process_time()
    advisories = read_advisories(file.read_text("utf-8"), {each.package for each in installed})
    middle = time.process_time()
    hosts = dict.fromkeys(("rbx7", "sysfab", "bastion"), installed)
    found = exposures(hosts, advisories, {}, {}, date(2026, 11, 24))
    ended = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{file.stat().st_size / 1e6:.0f} MB: read in {middle - started:.1f} s of processor time, "
        f"compared with {len(hosts)} hosts of {len(installed)} packages in {ended - middle:.1f} s "
        f"({len(found)} open), peak {peak:.0f} MB"
    )
    if ended - started > LARGEST_SECONDS or peak > LARGEST_MB:
        sys.exit(f"more than {LARGEST_SECONDS:.0f} s or {LARGEST_MB} MB")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "tracker.json"
        make(file)
        sys.exit(subprocess.run([sys.executable, __file__, str(file)], check=False).returncode)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        read(Path(sys.argv[1]))
    else:
        main()
