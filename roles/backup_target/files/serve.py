#!/usr/bin/python3 -I
"""`borg serve` that only adds, whatever a source asks of it.

borg's own `--append-only` is left behind in a session that asks for a new repository where there is
one (borg 1.4.0, RepositoryServer.open): that session could destroy what is there.
"""

import sys
from pathlib import Path

from borg import archiver, remote
from borg.repository import Repository

# No backup and no restore needs them.
REFUSED = {"destroy", "save_key", "break_lock", "inject_exception"}


class OnlyAdds(remote.RepositoryServer):
    """What a source may do: make a repository where there is none, add to it, read it."""

    rpc_methods = tuple(one for one in remote.RepositoryServer.rpc_methods if one not in REFUSED)

    def open(
        self, path, create=False, lock_wait=None, lock=True, exclusive=None, append_only=True,
        make_parent_dirs=False,
    ):  # fmt: skip
        """Open a repository, always to add only; the names are those of borg's protocol."""
        del append_only, make_parent_dirs
        place = Path(self._resolve_path(path))
        if create and place.is_dir() and any(place.iterdir()):
            raise Repository.AlreadyExists(str(place))
        return super().open(path, create, lock_wait, lock, exclusive, append_only=True)


if __name__ == "__main__":
    archiver.RepositoryServer = OnlyAdds
    sys.exit(archiver.main())
