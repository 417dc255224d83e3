"""What follows from a review of access: `pas-infra access review` records it."""

from pathlib import Path

import pytest

from orchestrator.access.review import read_reviews, still_declared
from orchestrator.environment.lines import read


@pytest.mark.pas("5.4.1")
def test_what_the_last_review_revoked_is_no_longer_declared(directory: Path) -> None:
    """What the last review revoked is no longer declared."""
    people, _ = read(directory / "people.yml")
    left = still_declared(read_reviews(directory), people.mapping() if people else {})
    assert not left, f"revoked, yet in people.yml: {', '.join(left)}; `pas-infra access revoke`"
