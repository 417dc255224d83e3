"""What a measure's checks come to, as far as checks look at all that it promises."""

from collections.abc import Sequence
from functools import cache

from orchestrator.catalogue.load import load_catalogue
from orchestrator.records import MeasureState, Verdict, state_of


def measure_state(number: str, verdicts: Sequence[Verdict]) -> MeasureState:
    """The state of a measure: `state_of`'s, but never kept while a part of it is unproven.

    What its checks cannot see may be broken: that is silence, and silence outweighs success.
    """
    return state_where(verdicts, unproven=number in _unproven())


def state_where(verdicts: Sequence[Verdict], *, unproven: bool) -> MeasureState:
    """The same of a measure of which that is known otherwise than by today's catalogue."""
    state = state_of(verdicts)
    return MeasureState.UNMEASURED if state in _GOOD and unproven else state


_GOOD = (MeasureState.KEPT, MeasureState.WAIVED)


@cache
def _unproven() -> frozenset[str]:
    return frozenset(measure.number for measure in load_catalogue() if measure.unproven)
