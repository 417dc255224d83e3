"""What a mount lacks of the options that it is to have."""

from collections.abc import Mapping, Sequence
from typing import Any


def lacking(
    mounts: Sequence[Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """The mounts, as `findmnt --json` lists them, that lack an option, each with what is `missing`.

    `wanted` has the options by mount point; a mount point that it does not name lacks nothing.
    """
    found = []
    for mount in mounts:
        # The kernel writes the name of what may be given as a number.
        options = mount["options"].replace("hidepid=2", "hidepid=invisible").split(",")
        missing = [option for option in wanted.get(mount["target"], ()) if option not in options]
        if missing:
            found.append({**mount, "missing": missing})
    return found


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"hardening_lacking": lacking}
