"""Where Debian's security tracker offers its data."""

import re
from dataclasses import dataclass
from datetime import timedelta

DEBIAN_SECURITY_TRACKER = "https://security-tracker.debian.org/tracker/data/json"

_SAFE = re.compile(r"https://|http://(127\.0\.0\.1|\[::1\]|localhost)[:/]")


def is_safe_address(url: str) -> bool:
    """Whether nobody on the way can change what is fetched: encrypted, or this very machine."""
    return _SAFE.match(url) is not None


@dataclass(frozen=True)
class VulnerabilityData:
    """Where the data of Debian's security tracker comes from, and how old it may be."""

    url: str = DEBIAN_SECURITY_TRACKER
    # A nightly run may fail once before the data is too old.
    max_age: timedelta = timedelta(hours=48)


USUAL = VulnerabilityData()
