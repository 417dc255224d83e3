"""Versions in dpkg's order, as Debian policy 5.6.12 defines it: no Debian is needed to compare."""

import re
from functools import lru_cache

_PART = re.compile(r"(\D*)(\d*)")

VersionKey = tuple[int, tuple[object, ...], tuple[object, ...]]


@lru_cache(maxsize=65536)  # the same ones on every host
def version_key(version: str) -> VersionKey:
    """What sorts as dpkg would sort the version; raises ValueError for an epoch that is no number.

    Instead of a library: python-debian is under the GPL, and the rule is this short. The unit
    tests compare it with dpkg itself.
    """
    epoch, colon, rest = version.partition(":")
    upstream, hyphen, revision = (rest if colon else version).rpartition("-")
    if not hyphen:
        upstream, revision = revision, ""
    return int(epoch) if colon else 0, _key(upstream), _key(revision)


def _key(text: str) -> tuple[object, ...]:
    """Non-digits and numbers by turns; the end sorts before anything but a tilde."""
    found: list[object] = []
    for words, number in _PART.findall(text) or [("", "")]:
        if words or number or not found:
            found += [(*map(_order, words), 0), int(number or 0)]
    return (*found, (0,))


def _order(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
