"""The data of Debian's security tracker: one JSON document of all that it knows.

Its form, source package → CVE → releases, is that of the tracker's own export (`lib/python/
security_db.py` of https://salsa.debian.org/security-tracker-team/security-tracker).
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import Incomplete

RELEASE = "trixie"
# Where every fix arrives first: it tells whether a version that is newer than the release's has it.
UNSTABLE = "sid"

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class State:
    """What the tracker says of one vulnerability in one release.

    `status` is `open`, `resolved` or `undetermined`; `fixed` is the version that is free of it, ""
    when there is none and "0" when the release never had it; `no_dsa` is why Debian publishes no
    advisory for it, or "".
    """

    status: str
    urgency: str
    fixed: str
    no_dsa: str


@dataclass(frozen=True)
class Advisory:
    """One vulnerability of one source package; `unstable` is None where it is not there."""

    package: str
    cve: str
    description: str
    here: State
    unstable: State | None


def read_advisories(text: str, packages: Collection[str]) -> dict[str, tuple[Advisory, ...]]:
    """The advisories of the release, by source package, as far as `packages` names them.

    All of the text is read, one package at a time: the whole would take ten times its size in
    memory. Raises Incomplete when it is no data of the tracker, or says nothing of the release.
    """
    found: dict[str, tuple[Advisory, ...]] = {}
    known = False
    try:
        position = _expect(text, 0, "{")
        while True:
            package, position = _DECODER.raw_decode(text, _skip(text, position))
            position = _expect(text, position, ":")
            entries, position = _DECODER.raw_decode(text, _skip(text, position))
            wanted = package in packages
            if wanted or not known:
                advisories = _advisories(package, entries)
                known = known or bool(advisories)
                if wanted:
                    found[package] = advisories
            position = _skip(text, position)
            if text[position : position + 1] == "}":
                break
            position = _expect(text, position, ",")
        if _skip(text, position + 1) != len(text):
            raise ValueError(f"something follows its end, at {position + 1}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Incomplete(
            f"this is no data of Debian's security tracker: {error}",
            next_step="fetch it again; a download that was cut ends in the middle",
        ) from error
    if not known:
        raise Incomplete(
            f"the security tracker's data says nothing of {RELEASE}",
            next_step="see whether it is the whole data, and still in the form that is known here",
        )
    return found


def _advisories(package: str, entries: Mapping[str, Any]) -> tuple[Advisory, ...]:
    return tuple(
        Advisory(
            package=package,
            cve=cve,
            description=str(entry.get("description") or ""),
            here=_state(entry["releases"][RELEASE]),
            unstable=_state(entry["releases"][UNSTABLE]) if UNSTABLE in entry["releases"] else None,
        )
        for cve, entry in entries.items()
        if RELEASE in entry["releases"]
    )


def _state(release: Mapping[str, Any]) -> State:
    status = release["status"]
    if status not in ("open", "resolved", "undetermined"):
        raise ValueError(f"the status `{status}` is unknown")
    return State(
        status=status,
        # Stars once told where an urgency came from.
        urgency=str(release.get("urgency") or "not yet assigned").rstrip("*"),
        fixed=str(release.get("fixed_version") or ""),
        no_dsa=str(release.get("nodsa_reason") or release.get("nodsa") or ""),
    )


def _skip(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _expect(text: str, position: int, sign: str) -> int:
    position = _skip(text, position)
    if text[position : position + 1] != sign:
        raise ValueError(f"`{sign}` is missing at {position}")
    return position + 1
