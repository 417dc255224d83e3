"""The register of access reviews: `pas-infra access review` adds to it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from orchestrator.access.review import next_due, read_reviews, still_declared
from orchestrator.environment.lines import read


@pytest.mark.pas("5.4.1")
def test_access_rights_were_reviewed_within_a_year(
    directory: Path, record_property: Callable[[str, object], None]
) -> None:
    """The list of access rights was reviewed in the last twelve months."""
    due = next_due(read_reviews(directory))
    assert due is not None, "access was never reviewed: run `pas-infra access review`"
    assert date.today() <= due, f"the access review was due on {due}: `pas-infra access review`"
    record_property("says", f"the next review is due on {due}")


@pytest.mark.pas("5.4.1")
def test_what_the_last_review_revoked_is_no_longer_declared(directory: Path) -> None:
    """What the last review revoked is no longer declared."""
    people, _ = read(directory / "people.yml")
    left = still_declared(read_reviews(directory), people.mapping() if people else {})
    assert not left, f"revoked, yet in people.yml: {', '.join(left)}; `pas-infra access revoke`"
