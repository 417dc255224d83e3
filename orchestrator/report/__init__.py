"""The report: each measure of the PAS with its verdict and the dated evidence, for a client."""

from orchestrator.report.material import Edition
from orchestrator.report.wording import LANGUAGES
from orchestrator.report.write import Written, write_report

__all__ = ["LANGUAGES", "Edition", "Written", "write_report"]
