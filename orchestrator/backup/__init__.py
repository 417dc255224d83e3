"""Backups: fetched by the target, encrypted by the source, remembered and kept in escrow here."""

from orchestrator.backup.check import Checked, check
from orchestrator.backup.listing import Listed, list_archives
from orchestrator.backup.prune import Pruned, ToDrop, prune
from orchestrator.backup.repositories import Repository, repositories, repository_of
from orchestrator.backup.restore import Restored, restore
from orchestrator.backup.restore_test import Tested, restore_test
from orchestrator.backup.run import Ran, run
from orchestrator.backup.status import BackupState, BackupStatus, status

__all__ = [
    "BackupState",
    "BackupStatus",
    "Checked",
    "Listed",
    "Pruned",
    "Ran",
    "Repository",
    "Restored",
    "Tested",
    "ToDrop",
    "check",
    "list_archives",
    "prune",
    "repositories",
    "repository_of",
    "restore",
    "restore_test",
    "run",
    "status",
]
