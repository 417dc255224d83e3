"""The end of contracts: `contract_ended` of clients.yml, and `pas-infra client offboard`."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest

from orchestrator.clients.certificate import certificates
from orchestrator.clients.offboard import record_sum
from orchestrator.environment import load_environment
from orchestrator.store import Store

Says = Callable[[str, object], None]


@pytest.mark.pas("13.3.1")
def test_nobodys_data_is_kept_longer_than_agreed(directory: Path, record_property: Says) -> None:
    """No client is declared any more whose days of grace are over."""
    clients = load_environment(directory).clients
    today = date.today()
    late = [
        f"{one.name} (since {one.erasable_from})"
        for one in clients
        if one.erasable_from is not None and one.erasable_from < today
    ]
    record_property("says", f"{len(clients)} clients are declared")
    assert not late, f"{', '.join(late)}: `pas-infra client offboard`, then clients.yml"


@pytest.mark.pas("13.3.1", "13.3.2")
def test_certificates_of_erasure_are_as_issued(directory: Path, record_property: Says) -> None:
    """Each certificate follows the one before, and names its run as that was recorded."""
    environment = load_environment(directory)
    issued = certificates(environment.store_directory / "offboarding")
    record_property("says", f"{len(issued)} were issued")
    faults = []
    with Store.open(environment.store_directory, environment.name) as store:
        for one in issued:
            results = [asdict(result) for result in store.results(one.facts["run"])]
            if record_sum(results) != one.facts["record_sha256"]:
                faults.append(f"{one.facts['client']['name']} (run {one.facts['run']})")
    assert not faults, f"the record is another one than certified: {', '.join(faults)}"
