"""Who can do what, as live hosts say it: what nobody declared is found, and reviewed."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.bench import HOSTS, Bench
from orchestrator.operator import current_operator

HOST = "rbx7"
# As root on the host; KEY is a public key that is nobody's.
CHANGE = r"""set -e
getent shadow root | cut -d: -f2 > /root/root-before
useradd -m -s /bin/bash -c 'Night shift' mallory
install -d -m 700 -o mallory -g mallory /home/mallory/.ssh
cd /etc/ssh/authorized_keys.d
echo 'KEY mallory@cafe' | tee /home/mallory/.ssh/authorized_keys > mallory
printf 'KEY\tspare\n' | sed 's/ /\t/' >> bdurand
echo 'bdurand ALL=(ALL) NOPASSWD: /usr/bin/less *' > /etc/sudoers.d/backup
usermod -p '$6$abcdefgh$notTheHashOfAnyPassword' root
"""
UNDO = r"""set -e
userdel -r mallory 2>/dev/null
rm -f /etc/ssh/authorized_keys.d/mallory /etc/sudoers.d/backup
sed -i /spare/d /etc/ssh/authorized_keys.d/bdurand
usermod -p "$(cat /root/root-before)" root
rm /root/root-before
"""
FOUND = [
    ("mallory", "undeclared", ["has a shell",
                               "has the key FINGERPRINT mallory@cafe (ssh-ed25519, "]),
    ("bdurand", "differing", ["has the key FINGERPRINT spare (ssh-ed25519, ",
                              "may run /usr/bin/less * as anybody, no password: undeclared"]),
    ("root", "undeclared", ["has a password (sha512)"]),
]  # fmt: skip


@dataclass(frozen=True)
class Tampered:
    """The lab with a host on which somebody has helped themselves, and what `list` says of it."""

    bench: Bench
    code: int
    listed: Any
    fingerprint: str


@pytest.fixture(scope="module")
def tampered(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tampered]:
    """Changed once for all tests; undone at the end, and then nothing may be left."""
    before = bench.hosts
    if before != "hardened":  # what access depends on is enough
        bench.pas_infra("apply", "--yes", "--role", "accounts", "--role", "ssh", code=0)
    bench.pas_infra("access", "list", "--json", code=0)
    key = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text().strip()
    said = subprocess.run(
        ["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True
    ).stdout
    bench.hosts = None
    bench.on(HOST, "sh", stdin=CHANGE.replace("KEY", public))
    try:
        done = bench.pas_infra("access", "list", "--json")
        yield Tampered(bench, done.code, done.json, said.split()[1])
    finally:
        bench.on(HOST, "sh", stdin=UNDO)
    bench.pas_infra("access", "list", code=0)
    bench.hosts = "hardened" if before == "hardened" else None


def test_what_nobody_declared_is_found(tampered: Tampered) -> None:
    assert tampered.code == 2
    assert tampered.listed["missing"] == {}
    departed = {
        (line["host"], line["account"]): line
        for line in tampered.listed["accounts"]
        if line["state"] != "declared"
    }
    assert set(departed) == {(HOST, account) for account, _, _ in FOUND}
    for account, state, deviations in FOUND:
        line = departed[HOST, account]
        assert line["state"] == state
        assert len(line["deviations"]) == len(deviations), line
        for what, begins in zip(line["deviations"], deviations, strict=True):
            assert what.startswith(begins.replace("FINGERPRINT", tampered.fingerprint))


def test_the_hash_is_that_of_the_list(tampered: Tampered) -> None:
    """Anybody can compute it again from what --json printed."""
    text = json.dumps(
        tampered.listed["live"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert tampered.listed["live_list"] == f"sha256:{digest}"
    assert set(tampered.listed["live"]) == set(HOSTS)


def test_an_account_on_its_host(tampered: Tampered) -> None:
    asked = ("access", "list", "--host", HOST)
    done = tampered.bench.pas_infra(*asked, "--account", "mallory", code=2)
    assert "Night shift" in done.stdout
    assert "amartin" not in done.stdout
    tampered.bench.pas_infra(*asked, "--account", "amartin", code=0)


def register(environment: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(
        (environment / "registers/access_reviews.yml").read_text()
    )
    return found


def test_a_review_decides_on_every_live_account(
    tampered: Tampered, environment_copy: Path, tmp_path: Path
) -> None:
    before = register(environment_copy)
    decisions = tmp_path / "decisions.yml"
    decisions.write_text("- {account: amartin, decision: keep, remark: x}\n")
    reviewing = ("access", "review", "--env", environment_copy)
    done = tampered.bench.pas_infra(*reviewing, "--decisions", decisions, code=1)
    assert "`mallory` is not decided on" in done.stderr
    assert register(environment_copy) == before

    answers = {"amartin": "keep", "bdurand": "change", "ops": "keep", "pas-backup": "keep",
               "root": "revoke", "mallory": "revoke"}  # fmt: skip
    said = "".join(f"{decision}\nof {account}\n" for account, decision in answers.items())
    short = tampered.bench.run("pas-infra", *reviewing, stdin=said.rpartition("of")[0])
    short.expect(130)
    assert register(environment_copy) == before

    done = tampered.bench.run("pas-infra", *reviewing, "--json", stdin=said).expect(0)
    entry = register(environment_copy)[-1]
    assert register(environment_copy)[:-1] == before
    assert (entry["by"], entry["hosts"]) == (current_operator(), list(HOSTS))
    assert entry["live_list"] == tampered.listed["live_list"]
    assert {each["account"]: each["decision"] for each in entry["decisions"]} == answers
    assert "mallory is declared nowhere: an apply closes it" in done.stderr
    verified = tampered.bench.pas_infra(
        "verify", "--env", environment_copy, "--measure", "5.4.1", "--json", code=0
    ).json
    assert done.json["next_due"] > str(entry["date"])
    name = "test_every_register.py::test_access_reviews_access_rights_are_reviewed"
    assert {c["verdict"] for c in verified["checks"] if c["check"] == name} == {"holds"}


def test_a_host_that_does_not_answer_is_never_fine(
    tampered: Tampered, environment_copy: Path
) -> None:
    hosts = environment_copy / "hosts.yml"
    # Its matrix would refuse a port that no flow opens.
    (environment_copy / "flows.yml").unlink()
    away = "ansible_host: 198.18.0.12"
    hosts.write_text(hosts.read_text().replace(away, f"{away}\n      ansible_port: 9"))
    done = tampered.bench.pas_infra("access", "list", "--env", environment_copy, "--json", code=4)
    assert list(done.json["missing"]) == ["sysfab"]
    assert "no answer over SSH" in done.json["missing"]["sysfab"]
    assert {line["host"] for line in done.json["accounts"]} == {"rbx7", "bastion"}
    before = register(environment_copy)
    done = tampered.bench.pas_infra("access", "review", "--env", environment_copy, code=4)
    assert "nothing is known of sysfab" in done.stderr
    assert register(environment_copy) == before
