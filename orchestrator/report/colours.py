"""How the states of a measure look: in words, in a shape and in a colour, never in one alone."""

from dataclasses import dataclass

from orchestrator.records import MeasureState, Verdict


@dataclass(frozen=True)
class Shade:
    """`ink` on `paper` is read (contrast 4.5 and more, WCAG 1.4.3); `fill` is an area of a plot."""

    symbol: str
    ink: str
    paper: str
    fill: str


# In the order in which plots stack them, the best first.
STATES = {
    MeasureState.KEPT: Shade("✓", "#17614a", "#e6f2ec", "#3d9474"),
    MeasureState.WAIVED: Shade("◇", "#2f5285", "#e7edf6", "#6b8fc2"),
    MeasureState.UNMEASURED: Shade("○", "#525c69", "#eef0f3", "#d8dee5"),
    MeasureState.PARTLY: Shade("◐", "#7d4b00", "#fbf0dc", "#dd9f3a"),
    MeasureState.NOT_KEPT: Shade("✗", "#9c221d", "#fbe9e7", "#c4473d"),
}
STATE_OF_VERDICT = {
    Verdict.HOLDS: MeasureState.KEPT,
    Verdict.WAIVED: MeasureState.WAIVED,
    Verdict.UNMEASURED: MeasureState.UNMEASURED,
    Verdict.FAILS: MeasureState.NOT_KEPT,
}
