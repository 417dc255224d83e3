"""What ssh-audit, run by anybody on the Internet, finds on a host that role ssh has hardened."""

import json
from pathlib import Path
from typing import Any

import pytest

from e2e.scanners.outside import Outsider

pytestmark = pytest.mark.full

TARGETS = ("198.18.0.11", "2001:2::11")
POLICY = Path(__file__).with_name("ssh.policy")
# The newest of its policies that the scanner's Debian release ships.
HARDENED = "Hardened OpenSSH Server v9.9 (version 1)"
# What the project leaves out of that policy, as docs and roles/ssh/defaults/main.yml say.
LEFT_OUT = {
    "Host keys": {"rsa-sha2-256"},
    "Key exchanges": {
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group-exchange-sha256",
    },
    "Ciphers": {
        "chacha20-poly1305@openssh.com",
        "aes128-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
    },
    "MACs": {"umac-128-etm@openssh.com"},
}


def audit(outsider: Outsider, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run ssh-audit with JSON output; the policy is on its standard input as `-`."""
    # The rate test opens connections by the dozen, which says nothing of the algorithms.
    quoted = " ".join(f"'{argument}'" for argument in arguments)
    copied = "cat > ssh.policy; ssh-audit --json --skip-rate-test"
    code, said = outsider.run(f"{copied} {quoted}", stdin=POLICY.read_text())
    start = said.find("{")
    assert start >= 0, said
    found: dict[str, Any] = json.JSONDecoder().raw_decode(said[start:])[0]
    return code, found


@pytest.mark.parametrize("target", TARGETS)
def test_no_algorithm_fails_or_is_weak(outsider: Outsider, target: str) -> None:
    code, found = audit(outsider, target)
    assert code == 0, "ssh-audit's own word: 2 for a warning, 3 for a failure"
    algorithms = [one for kind in ("kex", "key", "enc", "mac") for one in found[kind]]
    assert len(algorithms) >= 8, "one of each kind at the least, or it did not look"
    faults = {
        one["algorithm"]: one["notes"]
        for one in algorithms
        if {"fail", "warn"} & one["notes"].keys()
    }
    assert faults == {}
    assert found["kex"][0]["algorithm"] == "mlkem768x25519-sha256", "post-quantum first"
    assert found["cves"] == []
    assert set(found["recommendations"]) <= {"informational"}


@pytest.mark.parametrize("target", TARGETS)
def test_policy_of_the_project_holds(outsider: Outsider, target: str) -> None:
    code, found = audit(outsider, "-P", "ssh.policy", target)
    assert found["errors"] == []
    assert found["passed"] is True
    assert code == 0


def test_policy_of_ssh_audit_differs_in_what_is_left_out_only(outsider: Outsider) -> None:
    _, found = audit(outsider, "-P", HARDENED, TARGETS[0])
    left_out = {
        error["mismatched_field"]: set(error["expected_required"]) - set(error["actual"])
        for error in found["errors"]
    }
    added = {
        name
        for error in found["errors"]
        for name in set(error["actual"])
        - set(error["expected_required"])
        - set(error["expected_optional"])
    }
    assert added == set()
    assert left_out == LEFT_OUT
