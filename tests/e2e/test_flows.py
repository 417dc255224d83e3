"""The flow matrix against real hosts: what listens there, what passes, and how pas-infra comes."""

import json

from e2e.bench import Bench


def test_hosts_listen_where_a_flow_leads_and_nowhere_else(hardened: Bench) -> None:
    seen = json.loads(hardened.pas_infra("flows", "--json").stdout)["seen"]
    assert {name: host["origin"] for name, host in seen.items()} == {
        "rbx7": "198.18.0.1", "sysfab": "198.18.0.1", "bastion": "198.18.0.1"
    }  # fmt: skip
    hardened.on(
        "rbx7",
        "systemd-run --quiet --unit=rogue python3 -m http.server 8099; "
        "until ss -ltn | grep -q :8099; do sleep 0.2; done",
    )
    try:
        found = hardened.pas_infra("flows", "--json", code=2)
        assert json.loads(found.stdout)["findings"] == [
            {"kind": "undeclared", "host": "rbx7", "what": "tcp 8099 by python3 (rogue.service)"}
        ]
    finally:
        hardened.on("rbx7", "systemctl stop rogue")
    hardened.pas_infra("flows")


def test_a_firewall_that_refuses_nothing_is_a_finding(hardened: Bench) -> None:
    seen = json.loads(hardened.pas_infra("flows", "--json").stdout)["seen"]
    assert seen["rbx7"]["filtering"]["opened"]["ssh_control_node"] > 0
    hardened.on("rbx7", "nft flush ruleset")
    try:
        found = json.loads(hardened.pas_infra("flows", "--json", code=2).stdout)["findings"]
        assert found == [{"kind": "unfiltered", "host": "rbx7", "what": "input, output, forward"}]
    finally:
        # The kernel has never heard of the connection over which they come back: it must not hang.
        hardened.on("rbx7", "systemctl restart nftables")
