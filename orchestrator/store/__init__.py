"""The store of an environment: what its runs saw, and the lock that keeps two runs apart."""

from orchestrator.store.chain_view import Chain, RunNumbers
from orchestrator.store.lock import EnvironmentLock
from orchestrator.store.store import RunCounts, Store
from orchestrator.store.verdicts import hosts_seen, last_looks, last_runs_by_host, verdicts_of

__all__ = ["Chain", "EnvironmentLock", "RunCounts", "RunNumbers", "Store"]
__all__ = [
    "EnvironmentLock",
    "RunCounts",
    "Store",
    "hosts_seen",
    "last_looks",
    "last_runs_by_host",
    "verdicts_of",
]
