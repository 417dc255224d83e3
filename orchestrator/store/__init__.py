"""The store of an environment: what its runs saw, and the lock that keeps two runs apart."""

from orchestrator.store.chain_view import Chain, RunNumbers
from orchestrator.store.lock import EnvironmentLock
from orchestrator.store.store import RunCounts, Store

__all__ = ["Chain", "EnvironmentLock", "RunCounts", "RunNumbers", "Store"]
