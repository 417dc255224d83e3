"""Which modules of the kernel can be unloaded, and which wait for the next start."""

from collections.abc import Collection
from typing import Any


def idle(loaded: str, unneeded: Collection[str]) -> list[str]:
    """The unneeded modules that nothing uses; `loaded` is the text of /proc/modules."""
    return sorted(name for name, count, _ in _read(loaded) if name in unneeded and count == 0)


def held(loaded: str, unneeded: Collection[str]) -> list[str]:
    """The unneeded modules that something else than another of them uses: a mount, a program."""
    return sorted(
        name
        for name, count, users in _read(loaded)
        if name in unneeded and count > sum(user in unneeded for user in users)
    )


def _read(loaded: str) -> list[tuple[str, int, list[str]]]:
    """Each module, how often it is used, and by which modules: `uas,` or `-`."""
    rows = [line.split()[:4] for line in loaded.splitlines()]
    return [(name, int(count), users.strip(",").split(",")) for name, _, count, users in rows]


class FilterModule:
    """Ansible's way to find the filters."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {"hardening_idle": idle, "hardening_held": held}
