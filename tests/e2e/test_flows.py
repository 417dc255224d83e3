"""The flow matrix against real hosts: what listens there, and by which way pas-infra comes."""

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
