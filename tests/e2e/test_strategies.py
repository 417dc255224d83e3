"""Mitogen and the stock strategy do the same and say the same, in check mode and in apply."""

from pathlib import Path
from typing import Any

import pytest

from e2e.bench import HOSTS, Bench

HERE = Path(__file__).parent
# What the playbook leaves on a host, and the one file that it finds there.
RESET = (
    "rm -rf /etc/pas-infra-e2e /etc/pas-infra-e2e-*;"
    ' printf "a = 1\\nb = 1\\n" > /etc/pas-infra-e2e-lines; chmod 0600 /etc/pas-infra-e2e-lines'
)
KINDS = {"ok", "changed", "skipped", "failed", "ignored", "rescued"}
COMPARED = ("host", "role", "task", "action", "status", "measures", "diff", "message", "censored",
            "handler")  # fmt: skip


def play(bench: Bench, strategy: str, mode: str) -> dict[str, Any]:
    for host in HOSTS:
        bench.on(host, RESET)
    environment = "inventories/lab"
    playbook = HERE / "playbooks/strategies.yml"
    done = bench.run("python", HERE / "play.py", environment, playbook, strategy, mode).expect(0)
    outcome: dict[str, Any] = done.json
    return outcome


@pytest.mark.parametrize("mode", [pytest.param("check", marks=pytest.mark.full), "apply"])
def test_the_strategies_agree(bench: Bench, mode: str) -> None:
    outcomes = {strategy: play(bench, strategy, mode) for strategy in ("linear", "mitogen")}
    seen = {
        strategy: sorted(tuple(result[name] for name in COMPARED) for result in outcome["results"])
        for strategy, outcome in outcomes.items()
    }
    assert seen["mitogen"] == seen["linear"]
    # And that they had something to agree on.
    results = outcomes["mitogen"]["results"]
    assert {result["status"] for result in results} == KINDS
    assert sum(bool(result["diff"]) for result in results) >= 3 * len(HOSTS)
    for outcome in outcomes.values():
        assert outcome["gaps"] == []
        assert outcome["status"] == "failed"
    for host in HOSTS:
        bench.on(host, "rm -rf /etc/pas-infra-e2e /etc/pas-infra-e2e-*")
