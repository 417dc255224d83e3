"""The contract's own wording: the numbered clauses of an environment's PAS document."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.catalogue.clause_map import ClauseMap, load_clause_map
from orchestrator.catalogue.load import Catalogue, measure_key
from orchestrator.errors import ConfigurationInvalid, Problem

# `6.2.1`; a fourth part too, so that a document that is numbered finer is noticed, not overread.
_NUMBER = r"\d+(?:\.\d+){2,3}"
_BULLET = re.compile(r"\s*[-*+•]\s+(?P<text>.*)")
_HEADING = re.compile(r"\#{1,6}\s | [-=_*]{3,}\s*$ | \d+\.\d+\.?\s", re.VERBOSE)
_CHAPTER = re.compile(r"\d+\.?\s+(?P<title>.+)")


@dataclass(frozen=True)
class Clause:
    """One clause as the contract words it, free of Markdown emphasis; `line` is 1-based."""

    number: str
    text: str
    line: int


@dataclass(frozen=True)
class Contract:
    """A PAS document: its clauses by their own number, those that come again, and its map."""

    file: Path
    clauses: Mapping[str, Clause]
    repeated: tuple[Clause, ...]
    clause_map: ClauseMap

    def wording(self, measure: str) -> tuple[Clause, ...]:
        """The clauses that word a measure: one as a rule, several or none through a map."""
        return tuple(
            clause
            for clause in self.clauses.values()
            if measure in self.clause_map.measures_of(clause.number)
        )


def load_contract(path: Path) -> Contract:
    """Read a PAS document (Markdown or text, UTF-8) and the map beside it, if there is one.

    Raises `ConfigurationInvalid` when either cannot be read; what they say is judged by
    `contract_problems`.
    """
    clause_map = load_clause_map(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = f"the PAS document cannot be read: {error}"
        step = "name a readable UTF-8 text file, or declare no PAS document"
        raise ConfigurationInvalid([Problem(path, None, what, step)]) from error
    clauses: dict[str, Clause] = {}
    repeated = []
    for clause in _parse(text, [*clause_map.clauses, *clause_map.no_measure]):
        if clause.number in clauses:
            repeated.append(clause)
        else:
            clauses[clause.number] = clause
    return Contract(path, clauses, tuple(repeated), clause_map)


def contract_problems(contract: Contract, catalogue: Catalogue) -> list[Problem]:
    """Where the document and the catalogue do not meet, each with the line and the remedy."""
    file, clause_map = contract.file, contract.clause_map
    if not contract.clauses:
        what = "the PAS document has no numbered clause"
        step = "write each clause as `- **6.2.1** text`; docs/reference/measures.md shows the forms"
        return [Problem(file, None, what, step)]
    found = clause_map.problems(catalogue, contract.clauses)
    for clause in contract.repeated:
        first = contract.clauses[clause.number].line
        what = f"clause {clause.number} stands here again; it is already on line {first}"
        found.append(Problem(file, clause.line, what, "keep one of the two"))
    places: dict[str, int] = {}
    for clause in contract.clauses.values():
        if not clause.text:
            what = f"clause {clause.number} has no text"
            found.append(Problem(file, clause.line, what, "write what is promised"))
        for number in clause_map.measures_of(clause.number):
            places[number] = clause.line
        found += _unknown_clause(contract, clause, catalogue)
    for measure in catalogue:
        if measure.number not in places and measure.number not in clause_map.not_promised:
            what = f"measure {measure.number} ({measure.title}) has no clause"
            step = (
                f"add its clause here, or give the reason below `not_promised` in {clause_map.file}"
            )
            found.append(Problem(file, _line_before(measure.number, places), what, step))
    return found


def _unknown_clause(contract: Contract, clause: Clause, catalogue: Catalogue) -> list[Problem]:
    clause_map = contract.clause_map
    if clause.number in clause_map.clauses or clause.number in clause_map.no_measure:
        return []
    if clause.number in catalogue and not clause_map.own_numbering:
        return []
    reason = "is not in the map" if clause_map.own_numbering else "is no measure of the catalogue"
    step = f"correct the number, or list it below `clauses` or `no_measure` in {clause_map.file}"
    return [Problem(contract.file, clause.line, f"clause {clause.number} {reason}", step)]


def _line_before(number: str, places: Mapping[str, int]) -> int | None:
    """The line of the last clause that should precede a missing one."""
    numeric = (found for found in places if re.fullmatch(r"\d+(\.\d+)*", found))
    before = [found for found in numeric if measure_key(found) < measure_key(number)]
    return places[max(before, key=measure_key)] if before else None


def _parse(text: str, named: Iterable[str]) -> list[Clause]:
    """Split a document into clauses: numbers of three or four parts, and those that a map names."""
    start = _clause_start(named)
    clauses: list[Clause] = []
    body: list[str] | None = None
    for line_number, line in enumerate(text.splitlines(), start=1):
        if (match := start.match(line)) and (match["bold"] or not line.startswith(" ")):
            if body is not None:
                clauses[-1] = _finished(clauses[-1], body)
            body = [match["text"]]
            clauses.append(Clause(match["number"], "", line_number))
        elif body is not None and _is_heading(line):
            clauses[-1] = _finished(clauses[-1], body)
            body = None
        elif body is not None:
            body.append(line)
    if body is not None:
        clauses[-1] = _finished(clauses[-1], body)
    return clauses


def _clause_start(named: Iterable[str]) -> re.Pattern[str]:
    numbers = [re.escape(name) for name in sorted(named, key=len, reverse=True)]
    return re.compile(
        rf"""
        [ ]{{0,3}}
        (?:\#{{1,6}}\s+ | [-*+•]\s+)?
        (?P<bold>\*\*|__)?
        (?P<number>{"|".join([*numbers, _NUMBER])})
        [.:)]?(?:\*\*|__)?\s*[.:–—-]?  # `6.2.1.`, `**6.2.1**:`, `6.2.1 –`
        (?:\s+|$)
        (?P<text>.*)
        """,  # noqa: RUF001 - documents write the dash
        re.VERBOSE,
    )


def _is_heading(line: str) -> bool:
    """A heading ends a clause; in plain text a chapter is in capitals, unlike a numbered list."""
    chapter = _CHAPTER.match(line)
    return bool(_HEADING.match(line) or (chapter and chapter["title"].isupper()))


def _finished(clause: Clause, body: Iterable[str]) -> Clause:
    """Wrapped lines join; a bullet or a paragraph begins a new line."""
    lines = [""]
    for raw in body:
        bullet = _BULLET.match(raw)
        if bullet:
            lines.append(f"- {bullet['text'].strip()}")
        elif raw.strip():
            lines[-1] = f"{lines[-1]} {raw.strip()}".strip()
        else:
            lines.append("")
    text = "\n".join(line for line in lines if line)
    return Clause(clause.number, text.replace("**", "").replace("__", ""), clause.line)
