"""Where the measures stand: for the whole, by host and by chapter."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.catalogue import Catalogue, measure_state
from orchestrator.records import MeasureState
from orchestrator.report.standing import Silence, Standing
from orchestrator.status.material import Material
from orchestrator.status.subject import Level, Point, Subject, named

# Nobody can end these by a look at the hosts.
_WITHOUT_CHECK = (Silence.NO_CHECK, Silence.NO_RECORD)


@dataclass(frozen=True)
class ChapterState:
    """A chapter of the PAS, and how many of its measures stand where."""

    number: str
    title: str
    counts: Mapping[MeasureState, int]


def measures(found: Sequence[Standing], material: Material, known: datetime | None) -> Subject:
    """The verdicts of all measures; `known` is when the host that waits longest was last looked at.

    In production nothing may stay unmeasured; a lab of containers has no kernel to measure.
    """
    counts = counts_of(one.state for one in found)
    parts = [f"{counts[MeasureState.KEPT]} of {len(found)} measures are kept"]
    if counts[MeasureState.WAIVED]:
        parts.append(f"{counts[MeasureState.WAIVED]} waived")
    points = [*_broken(found), *_silent(found, lab=material.environment.kind == "lab")]
    return Subject("measures", (*points, Point(Level.OK, ", ".join(parts))), known)


def of_host(host: str, found: Sequence[Standing]) -> dict[MeasureState, int]:
    """How many measures stand where, of those of which something is looked at on a host."""
    mine = (
        (one.number, [look.check.verdict for look in one.looks if look.check.host == host])
        for one in found
    )
    return counts_of(measure_state(number, verdicts) for number, verdicts in mine if verdicts)


def by_chapter(found: Sequence[Standing], catalogue: Catalogue) -> tuple[ChapterState, ...]:
    """The same by chapter, those without a measure left out."""
    inside = {
        chapter: [one.state for one in found if one.view.measure.chapter == chapter.number]
        for chapter in catalogue.chapters
    }
    return tuple(
        ChapterState(str(chapter.number), chapter.title, counts_of(states))
        for chapter, states in inside.items()
        if states
    )


def counts_of(states: Iterable[MeasureState]) -> dict[MeasureState, int]:
    """How many of each, also of those of which there is none."""
    counts = dict.fromkeys(MeasureState, 0)
    for state in states:
        counts[state] += 1
    return counts


def _broken(found: Sequence[Standing]) -> Iterator[Point]:
    for state, words in {
        MeasureState.NOT_KEPT: "not kept",
        MeasureState.PARTLY: "partly kept",
    }.items():
        numbers = [one.number for one in found if one.state is state]
        if numbers:
            next_step = f"pas-infra verify -m {numbers[0]}"
            yield Point(
                Level.ALARM, f"{len(numbers)} {words}: {named(numbers)}", next_step=next_step
            )


def _silent(found: Sequence[Standing], *, lab: bool) -> Iterator[Point]:
    numbers: dict[Silence, list[str]] = {}
    # What is said of a measure only when nothing else can be, the mildest at the end: a lab is not
    # to blame for its kernel, and nobody can end by a look what no check looks at.
    mild = (Silence.DECLARED, Silence.KERNEL) if lab else (Silence.KERNEL, Silence.DECLARED)
    for one in found:
        if one.state is MeasureState.UNMEASURED:
            why = min(one.silences, key=lambda silence: (silence in mild, silence is mild[-1]))
            numbers.setdefault(why, []).append(one.number)
    for why, silent in numbers.items():
        level, next_step = Level.UNKNOWN, "pas-infra verify"
        if lab and why is Silence.KERNEL:
            level, next_step = Level.OK, ""
        elif why is Silence.DECLARED:
            # Known to be so until somebody writes the check: it must not hide what is new.
            level, next_step = Level.ATTENTION, f"pas-infra measures {silent[0]}"
        elif why in _WITHOUT_CHECK:
            next_step = "pas-infra measures --uncovered"
        what = f"{len(silent)} unmeasured ({why}): {named(silent)}"
        yield Point(level, what, next_step=next_step)
