"""What is open on real hosts, by synthetic data that a server of this machine offers."""

import json
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from e2e.bench import Bench

OPEN, FIXABLE, MENDED, NEVER = (f"CVE-2099-1000{number}" for number in range(4))


@pytest.fixture
def relay(tmp_path: Path, environment_copy: Path) -> Iterator[Path]:
    """A directory that a server offers, and that the environment names as the tracker's."""
    offered = tmp_path / "offered"
    offered.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(offered))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        declared = environment_copy / "environment.yml"
        address = f"http://127.0.0.1:{server.server_address[1]}/tracker.json"
        declared.write_text(f"{declared.read_text()}vulnerability_data: {{url: '{address}'}}\n")
        yield offered
        server.shutdown()
        thread.join()


def offer(relay: Path, installed: str) -> None:
    """Synthetic: the flaws of a package that every host has, in the tracker's form."""

    def entry(status: str, urgency: str, fixed: str = "") -> dict[str, Any]:
        state = {"status": status, "urgency": urgency, "repositories": {"trixie": installed}}
        state |= {"fixed_version": fixed} if fixed else {}
        return {"description": "SYNTHETIC", "releases": {"trixie": state}}

    content = {
        OPEN: entry("open", "not yet assigned"),
        FIXABLE: entry("resolved", "high", f"{installed}+deb13u99"),
        MENDED: entry("resolved", "high", installed),
        NEVER: entry("resolved", "high", "0"),
    }
    (relay / "tracker.json").write_text(json.dumps({"dpkg": content}))


def test_what_is_open_is_found_decided_on_and_recorded(
    bench: Bench, relay: Path, environment_copy: Path
) -> None:
    here = ("--env", environment_copy)
    missing = bench.pas_infra("vulns", *here, code=4)
    assert "404" in missing.stderr

    version = bench.on("rbx7", "dpkg-query -W -f \\${source:Version} dpkg").strip()
    offer(relay, version)
    found = bench.pas_infra("vulns", *here, "--json", code=2).json
    assert found["hosts"].keys() == {"rbx7", "sysfab", "bastion"}
    assert {(one["cve"], one["status"], one["fixed"]) for one in found["open"]} == {
        (OPEN, "open", ""), (FIXABLE, "fixable", f"{version}+deb13u99")
    }  # fmt: skip
    assert {one["installed"] for one in found["open"]} == {version}

    until = str(date.today() + timedelta(days=30))
    decide = ("vulns", "decide", OPEN, FIXABLE, *here, "--decision", "patch", "--until", until)
    bench.pas_infra(*decide, "--host", "all", "--reason", "next window", code=0)
    assert f"patch until {until}" in bench.pas_infra("vulns", *here, code=0).stdout

    checks = bench.pas_infra("verify", *here, "-m", "7.6.1", "--json", code=0).json["checks"]
    assert ("test_vulnerabilities.py::test_vulnerabilities_are_looked_for", "holds") in {
        (check["check"], check["verdict"]) for check in checks
    }

    # What was fetched serves on when nothing can be fetched, and says so.
    (relay / "tracker.json").write_text("<html>down for maintenance</html>")
    later = bench.pas_infra("vulns", *here, "--json", code=0).json
    assert "no data of Debian's security tracker" in later["data"]["trouble"]


def test_a_host_that_does_not_answer_is_missing(
    bench: Bench, relay: Path, environment_copy: Path
) -> None:
    offer(relay, "0")
    for name in ("environment.yml", "hosts.yml", "lab.yml"):
        file = environment_copy / name
        file.write_text(file.read_text().replace("198.18.0.12", "198.18.0.99"))
    found = bench.pas_infra("vulns", "--env", environment_copy, "--json", code=4).json
    assert found["missing"].keys() == {"sysfab"}
