"""How registers are shown: as a list, entry by entry, and what is wrong with them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.records import Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.registers.judge import Judgement, RegisterState


def show_states(states: "Sequence[RegisterState]", to: "Console") -> None:
    """A line a register, and a last one that counts."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("register", "title", "entries", "reviewed", "next", "findings", "measures"):
        table.add_column(column, overflow="fold", no_wrap=column in ("register", "next"))
    for state in states:
        definition = state.register.definition
        count = len(state.findings)
        table.add_row(
            definition.name,
            definition.title_fr,
            str(len(state.standing_entries)),
            str(state.last_review or "-"),
            str(state.next_review or "-"),
            Text(str(count or "-"), style="bold red" if count else ""),
            ", ".join(definition.measures),
        )
    to.print(table)
    _count(states, to)


def show_findings(states: "Sequence[RegisterState]", to: "Console") -> None:
    """Each finding with its place, what to do, and the measures that it concerns."""
    from rich.markup import escape

    for state in states:
        for one in state.findings:
            entry = f" (entry {one.entry})" if one.entry else ""
            to.print(f"[red]✗[/] {escape(one.where)}{entry}: {escape(one.what)}")
            to.print(f"    → {escape(one.next_step)}  [dim]{', '.join(one.measures)}[/]")
        for silent in _unmeasured(state):
            to.print(f"[yellow]?[/] {state.register.definition.name}: {escape(silent.reason)}")
    _count(states, to)


def show_register(state: "RegisterState", to: "Console", *, everything: bool) -> None:
    """What a register is for, its entries with their numbers, and what is wrong."""
    from rich.markup import escape

    definition = state.register.definition
    to.print(f"[bold]{definition.title_fr}[/] ({definition.title_en})")
    to.print(definition.about)
    to.print(f"[dim]{escape(str(state.register.file))}, {', '.join(definition.measures)}[/]\n")
    for entry in state.register.entries if everything else state.standing_entries:
        gone = "" if entry in state.standing_entries else " [dim](does not stand any more)[/]"
        to.print(f"[bold]{entry.number}[/]  {entry.data['date']}  {escape(entry.data['by'])}{gone}")
        for field, value in entry.data.items():
            if field not in ("date", "by"):
                to.print(f"   {field}: {escape(_shown(value))}")
    to.print()
    show_findings([state], to)


def states_as_json(
    states: "Sequence[RegisterState]", *, entries: bool = False
) -> list[dict[str, Any]]:
    """The registers as data."""
    return [
        {
            "register": state.register.definition.name,
            "title": {
                "fr": state.register.definition.title_fr,
                "en": state.register.definition.title_en,
            },
            "measures": state.register.definition.measures,
            "file": state.register.file,
            "standing": len(state.standing_entries),
            "last_review": state.last_review,
            "next_review": state.next_review,
            "findings": [asdict(finding) for finding in state.findings],
            **(
                {
                    "entries": [
                        {"number": entry.number, "stands": entry in state.standing_entries,
                         "entry": entry.data}
                        for entry in state.register.entries
                    ]
                }
                if entries
                else {}
            ),
        }
        for state in states
    ]  # fmt: skip


def findings_as_json(states: "Sequence[RegisterState]") -> dict[str, Any]:
    """What is wrong, and what cannot be judged, as data."""
    return {
        "findings": [asdict(finding) for state in states for finding in state.findings],
        "unmeasured": [
            {"register": one.register, "check": one.check.name, "measures": one.check.measures,
             "reason": one.reason}
            for state in states
            for one in _unmeasured(state)
        ],
    }  # fmt: skip


def _unmeasured(state: "RegisterState") -> "list[Judgement]":
    return [one for one in state.judgements if one.verdict is Verdict.UNMEASURED]


def _count(states: "Sequence[RegisterState]", to: "Console") -> None:
    from orchestrator.catalogue import measure_key

    found = [finding for state in states for finding in state.findings]
    checks = sum(len(state.judgements) for state in states)
    numbers = sorted({number for one in found for number in one.measures}, key=measure_key)
    concerned = f" on {', '.join(numbers)}" if numbers else ""
    to.print(
        f"[bold]Registers:[/] {len(states)}, {checks} checks, {len(found)} findings{concerned}"
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_shown(one) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{key} {_shown(one)}" for key, one in value.items())
    return str(value)
