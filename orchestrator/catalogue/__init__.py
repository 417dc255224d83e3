"""The measures, the contract's wording of them, and what stands behind each."""

from orchestrator.catalogue.contract import Clause, Contract, contract_problems, load_contract
from orchestrator.catalogue.coverage import (
    CheckReference,
    TaskReference,
    check_measures,
    coverage_problems,
    role_measures,
)
from orchestrator.catalogue.load import (
    Catalogue,
    Chapter,
    Kind,
    Measure,
    load_catalogue,
    measure_key,
    measure_of,
    tag_of,
)
from orchestrator.catalogue.state import measure_state, state_where

__all__ = [
    "Catalogue",
    "Chapter",
    "CheckReference",
    "Clause",
    "Contract",
    "Kind",
    "Measure",
    "TaskReference",
    "check_measures",
    "contract_problems",
    "coverage_problems",
    "load_catalogue",
    "load_contract",
    "measure_key",
    "measure_of",
    "measure_state",
    "role_measures",
    "state_where",
    "tag_of",
]
