"""The register of workstations: what a server cannot see of them, its persons attest."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.attestations import unattested
from orchestrator.environment.lines import read
from orchestrator.environment.registers import read_register


@pytest.mark.pas("7.4.1")
def test_every_workstation_is_attested(directory: Path) -> None:
    """Each person attested within a year that their workstation is protected from malware."""
    people, _ = read(directory / "people.yml")
    declared: Any = people.data if people else {}
    persons = [person["account"] for person in declared.get("persons", ())]
    if not persons:
        pytest.skip("people.yml declares nobody")
    missing = unattested(
        read_register(directory, "workstation_attestations"), persons, date.today()
    )
    said = [f"{person} ({day or 'never'})" for person, day in missing.items()]
    assert not said, f"no attestation within a year: {', '.join(said)}; add one to the register"
