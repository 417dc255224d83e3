"""Run a playbook of the tests through the engine, recorded as any run, and print what it did.

Usage: play.py ENVIRONMENT PLAYBOOK STRATEGY (check|apply)
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from orchestrator.engine import PlayRequest, Strategy, play
from orchestrator.environment import load_environment
from orchestrator.runs import recorded


def main(directory: str, playbook: str, strategy: str, mode: str) -> None:
    environment = load_environment(Path(directory))
    request = PlayRequest(
        environment=environment,
        playbook=Path(playbook),
        hosts=tuple(host.name for host in environment.hosts),
        check=mode == "check",
        strategy=Strategy(strategy),
    )
    with recorded(environment, "apply", {"strategy": strategy, "mode": mode}) as run:
        outcome = play(request, on_progress=run.keep)
        run.keep_outcome(outcome)
    print(json.dumps(asdict(outcome), indent=2))  # noqa: T201


main(*sys.argv[1:])
