"""How the verdicts of its checks sum up to the state of a measure."""

from itertools import permutations

import pytest

from orchestrator.records import MeasureState, Verdict, state_of

H, F, U, W = Verdict.HOLDS, Verdict.FAILS, Verdict.UNMEASURED, Verdict.WAIVED


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], MeasureState.UNMEASURED),
        ([H], MeasureState.KEPT),
        ([H, H], MeasureState.KEPT),
        ([F], MeasureState.NOT_KEPT),
        ([F, F], MeasureState.NOT_KEPT),
        ([U], MeasureState.UNMEASURED),
        ([W], MeasureState.WAIVED),
        ([H, F], MeasureState.PARTLY),
        ([H, U], MeasureState.UNMEASURED),
        ([H, W], MeasureState.WAIVED),
        ([F, U], MeasureState.NOT_KEPT),
        ([F, W], MeasureState.NOT_KEPT),
        ([U, W], MeasureState.UNMEASURED),
        ([H, F, U], MeasureState.PARTLY),
        ([H, F, W], MeasureState.PARTLY),
        ([H, U, W], MeasureState.UNMEASURED),
        ([F, U, W], MeasureState.NOT_KEPT),
        ([H, F, U, W], MeasureState.PARTLY),
    ],
)
def test_state_of_a_measure(verdicts: list[Verdict], state: MeasureState) -> None:
    assert {state_of(order) for order in permutations(verdicts)} == {state}
