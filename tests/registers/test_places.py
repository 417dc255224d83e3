"""From where the service is administered, as declared: where logins come from, hosts show."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.environment import load_environment
from orchestrator.origins import declared_origins


@pytest.mark.pas("13.1.3")
def test_administration_is_declared_to_be_from_france(
    directory: Path, record_property: Callable[[str, object], None]
) -> None:
    """By what is declared, every person, machine and control node administers from France."""
    origins = list(declared_origins(load_environment(directory)))
    elsewhere = [
        f"{who} in {place.city}, {place.country}" if place else f"{who}, of which no place is known"
        for who, place in origins
        if place is None or place.country != "FR"
    ]
    assert not elsewhere, (
        f"{'; '.join(elsewhere)}: correct the place in people.yml or environment.yml, or end "
        "administration from there (`pas-infra access revoke`)"
    )
    record_property("says", f"{len(origins)} origins are declared")
