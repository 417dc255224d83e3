"""The end of contracts: `contract_ended` of clients.yml, and `pas-infra client offboard`."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from orchestrator.clients.certificate import certificate_of, certificates
from orchestrator.clients.offboard import record_sums
from orchestrator.environment import load_environment
from orchestrator.errors import PasInfraError
from orchestrator.offboardings import directory_of
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
def test_what_was_begun_was_ended(directory: Path) -> None:
    """Every erasure that was confirmed has its certificate, and nobody erased is declared still."""
    environment = load_environment(directory)
    place = directory_of(environment)
    begun = {file.stem for file in place.glob("[a-z]*.json") if "." not in file.stem}
    unfinished = sorted(name for name in begun if certificate_of(place, name) is None)
    faults = [
        f"{name} is not erased yet: `pas-infra client offboard {name}`" for name in unfinished
    ]
    faults += [
        f"{client.name} is erased, and stands in clients.yml still"
        for client in environment.clients
        if client.name in begun and client.name not in unfinished
    ]
    assert not faults, "; ".join(faults)


@pytest.mark.pas("13.3.1", "13.3.2")
def test_certificates_of_erasure_are_as_issued(directory: Path, record_property: Says) -> None:
    """Each certificate follows the one before, and names its runs as they were recorded."""
    environment = load_environment(directory)
    try:
        issued = certificates(directory_of(environment))
    except PasInfraError as broken:
        raise AssertionError(broken.what) from broken
    record_property("says", f"{len(issued)} were issued")
    faults = []
    with Store.open(environment.store_directory, environment.name) as store:
        for one in issued:
            certified = one.facts["records"]
            recorded = record_sums(store, map(int, certified))
            if {str(run): sha256 for run, sha256 in recorded.items()} != certified:
                faults.append(str(one.facts["client"]["name"]))
    assert not faults, f"the record is another one than certified: {', '.join(faults)}"
