"""Where an environment.yml and the files beside it contradict each other."""

from collections.abc import Iterator

from orchestrator.environment.lines import Document
from orchestrator.errors import Problem


def kind_problems(declared: Document, lab: Document | None) -> Iterator[Problem]:
    """A lab without lab.yml, and a production with one."""
    kind = declared.mapping().get("kind")
    if kind == "production" and lab is not None:
        yield lab.problem(
            (),
            "an environment of kind production has no lab",
            "remove lab.yml, or set `kind: lab` in environment.yml",
        )
    if kind == "production" and "registers_as_of" in declared.mapping():
        yield declared.problem(
            ("registers_as_of",),
            "the registers of a production are judged as of today",
            "remove `registers_as_of`: it is for a lab, whose registers are examples",
        )
    if kind == "lab" and lab is None and not (declared.file.parent / "lab.yml").exists():
        yield declared.problem(
            ("kind",), "an environment of kind lab needs a lab.yml", "write it, or correct `kind`"
        )


def contract_problems(declared: Document) -> Iterator[Problem]:
    """A contract that is named and not there."""
    name = declared.mapping().get("pas_document")
    if isinstance(name, str) and not (declared.file.parent / name).is_file():
        yield declared.problem(
            ("pas_document",),
            f"the PAS document `{name}` is not there",
            "write it, or remove `pas_document`",
        )
