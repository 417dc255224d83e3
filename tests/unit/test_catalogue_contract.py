"""A PAS document: the forms it may have, and what is reported when it does not fit."""

from pathlib import Path

import pytest

from orchestrator.catalogue import Contract, contract_problems, load_catalogue, load_contract
from orchestrator.errors import ConfigurationInvalid, Problem
from orchestrator.paths import project_root

CATALOGUE = load_catalogue()

# The shape of a real plan, with words of our own.
SHAPED = """\
# Plan d'Assurance Sécurité — ESSAI

Introduction sans engagement, version 1.0.2 du 3 mai.


## 1. UN CHAPITRE

### 1.1. Une section

- **1.1.1** ESSAI promet une chose (cf. mesure 6.2.1.).
### 1.2. Une autre section

- **1.2.1** ESSAI promet notamment que :
  - la première chose est faite ;
  - la deuxième, trop longue pour sa ligne,
    continue sur la suivante.
- **1.2.2** ESSAI promet encore,
  sur deux lignes.

## 2. UN AUTRE CHAPITRE

Texte du chapitre, hors de toute clause.

- **2.1.1** ESSAI promet la fin.
"""


def written(directory: Path, text: str, clause_map: str | None = None) -> Contract:
    document = directory / "pas.md"
    document.write_text(text, "utf-8")
    if clause_map is not None:
        (directory / "pas.map.yml").write_text(clause_map, "utf-8")
    return load_contract(document)


def complete(*, without: str = "") -> str:
    lines = (f"- **{m.number}** Promesse {m.number}." for m in CATALOGUE if m.number != without)
    return "# Plan\n\n" + "\n".join(lines) + "\n"


def problems(directory: Path, text: str, clause_map: str | None = None) -> list[Problem]:
    return contract_problems(written(directory, text, clause_map), CATALOGUE)


def test_a_document_shaped_like_a_real_one(tmp_path: Path) -> None:
    clauses = written(tmp_path, SHAPED).clauses
    assert {number: (clause.text, clause.line) for number, clause in clauses.items()} == {
        "1.1.1": ("ESSAI promet une chose (cf. mesure 6.2.1.).", 10),
        "1.2.1": (
            "ESSAI promet notamment que :\n"
            "- la première chose est faite ;\n"
            "- la deuxième, trop longue pour sa ligne, continue sur la suivante.",
            13,
        ),
        "1.2.2": ("ESSAI promet encore, sur deux lignes.", 17),
        "2.1.1": ("ESSAI promet la fin.", 24),
    }


@pytest.mark.parametrize(
    "line",
    [
        "- **6.2.1** Le texte.",
        "- **6.2.1.** Le texte.",
        "**6.2.1**: Le texte.",
        "**6.2.1:** Le texte.",
        "  - **6.2.1** Le texte.",
        "* 6.2.1. Le texte.",
        "6.2.1 Le texte.",
        "6.2.1) Le texte.",
        "6.2.1 – Le texte.",  # noqa: RUF001
        "6.2.1 : Le texte.",
        "#### 6.2.1 Le texte.",
        "#### **6.2.1** Le texte.",
        "**6.2.1 Le** texte.",
        "#### 6.2.1\n\nLe texte.",
        "- **6.2.1**\n  Le\n  texte.",
        "6.2.1 Le texte.\n\n6.3 Une autre section\n\nSon introduction.",
        "6.2.1 Le texte.\n\n7. CHAPITRE DÉTACHÉ\n\nSon introduction.",
        "6.2.1 Le texte.\n---\nUn pied de page.",
        "\ufeff6.2.1 Le texte.",
        "6.2.1 Le texte.\r\n",
    ],
)
def test_forms_of_a_clause(tmp_path: Path, line: str) -> None:
    clauses = written(tmp_path, line).clauses
    assert {number: clause.text for number, clause in clauses.items()} == {"6.2.1": "Le texte."}


@pytest.mark.parametrize(
    "line",
    [
        "conformément à la mesure 6.2.1 du plan",
        "  6.2.1 du plan, en fin de ligne pliée",
        "6.2.1.)",
        "### 6.2. Une section",
        "## 6. CHAPITRE",
        "le 6.2.1",
        "6.2.1alpha",
    ],
)
def test_what_is_no_clause(tmp_path: Path, line: str) -> None:
    assert written(tmp_path, line).clauses == {}


def test_paragraphs_and_numbered_lists_stay_in_their_clause(tmp_path: Path) -> None:
    text = "**6.2.1** Début.\n\nSuite.\n\n1. Un point.\n2. Un autre.\n"
    assert (
        written(tmp_path, text).clauses["6.2.1"].text == "Début.\nSuite.\n1. Un point. 2. Un autre."
    )


def test_a_complete_document_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, complete()) == []


def test_a_missing_clause_stands_after_the_one_before_it(tmp_path: Path) -> None:
    text = complete(without="10.3.1")
    [problem] = problems(tmp_path, text)
    assert problem.line is not None
    assert "10.2.2" in text.splitlines()[problem.line - 1]
    assert "10.3.1" in problem.what
    assert "not_promised" in problem.next_step


def test_an_unknown_clause(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, complete() + "- **14.1.1** En plus.\n")
    assert problem.where == f"{tmp_path}/pas.md:76"
    assert "14.1.1" in problem.what


def test_a_clause_numbered_finer_than_the_catalogue(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, complete() + "- **6.2.1.1** Un détail.\n")
    assert "clause 6.2.1.1 is no measure" in problem.what


def test_a_clause_twice(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, complete() + "- **1.1.1** Encore.\n")
    assert problem.where == f"{tmp_path}/pas.md:76"
    assert "already on line 3" in problem.what


def test_a_clause_without_text(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, complete(without="13.4.2") + "- **13.4.2**\n")
    assert problem.where == f"{tmp_path}/pas.md:75"
    assert "no text" in problem.what


def test_every_problem_at_once(tmp_path: Path) -> None:
    text = complete(without="6.2.1") + "- **1.1.1** Encore.\n- **14.1.1** En plus.\n"
    assert len(problems(tmp_path, text)) == 3


def test_a_document_without_a_clause_is_one_problem(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "# Plan\n\nRien de numéroté.\n")
    assert "no numbered clause" in problem.what


@pytest.mark.parametrize("content", [None, b"\xff\xfe1.1.1"], ids=["missing", "not UTF-8"])
def test_an_unreadable_document(tmp_path: Path, content: bytes | None) -> None:
    document = tmp_path / "pas.md"
    if content:
        document.write_bytes(content)
    with pytest.raises(ConfigurationInvalid) as error:
        load_contract(document)
    assert error.value.problems[0].file == document


OWN = "numbering: own\nclauses:\n  A.1: 1.1.1\n  A.2: [1.2.1, 1.2.2]\n  6.2: 6.2.1\n"
OTHER = "## A\n\n- **A.1** Une chose.\n- **A.2** Deux choses.\n- **6.2** Une autre.\n"


def test_another_companys_numbers_are_mapped(tmp_path: Path) -> None:
    reasons = "".join(
        f"  {measure.number}: hors du contrat\n"
        for measure in CATALOGUE
        if measure.number not in {"1.1.1", "1.2.1", "1.2.2", "6.2.1"}
    )
    contract = written(tmp_path, OTHER, f"{OWN}not_promised:\n{reasons}")
    assert contract_problems(contract, CATALOGUE) == []
    assert [clause.number for clause in contract.wording("1.2.2")] == ["A.2"]
    assert [clause.text for clause in contract.wording("6.2.1")] == ["Une autre."]
    assert contract.wording("8.1.1") == ()


def test_several_clauses_may_word_one_measure(tmp_path: Path) -> None:
    contract = written(
        tmp_path, complete() + "- **14.1.1** En plus.\n", "clauses:\n  14.1.1: 6.2.1\n"
    )
    assert contract_problems(contract, CATALOGUE) == []
    assert [clause.number for clause in contract.wording("6.2.1")] == ["6.2.1", "14.1.1"]


def test_own_numbering_takes_no_number_for_granted(tmp_path: Path) -> None:
    contract = written(tmp_path, "- **6.2.1** Tout autre chose.\n", "numbering: own\n")
    assert contract.wording("6.2.1") == ()
    assert "clause 6.2.1 is not in the map" in {
        problem.what for problem in contract_problems(contract, CATALOGUE)
    }


def test_a_clause_without_a_measure_and_a_measure_without_a_clause(tmp_path: Path) -> None:
    text = complete(without="8.1.1") + "- **14.1.1** En plus.\n"
    accepted = "no_measure:\n  14.1.1: commercial\nnot_promised:\n  8.1.1: hors du contrat\n"
    assert problems(tmp_path, text, accepted) == []


@pytest.mark.parametrize(
    ("clause_map", "line", "what"),
    [
        ("clauses:\n  1.1.1: 99.1.1\n", 2, "99.1.1, which is no measure"),
        ("clauses:\n  1.1.1: 6.2\n", 2, "6.2, which is no measure"),
        ("no_measure:\n  77.1.1: commercial\n", 2, "clause 77.1.1 is not in the document"),
        ("# map\nnot_promised:\n  99.1.1: rien\n", 3, "99.1.1 is no measure"),
        ("not_promised:\n  6.2.1: rien\n", 2, "6.2.1 is not promised here, but"),
        (
            "clauses:\n  1.1.1: 1.1.1\nno_measure:\n  1.1.1: rien\n",
            4,
            "1.1.1 is both mapped and without a measure",
        ),
    ],
)
def test_a_map_that_does_not_fit(tmp_path: Path, clause_map: str, line: int, what: str) -> None:
    places = {
        problem.where: problem.what
        for problem in problems(tmp_path, complete(), clause_map)
        if problem.file.name == "pas.map.yml"
    }
    assert what in places[f"{tmp_path}/pas.map.yml:{line}"]


@pytest.mark.parametrize(
    ("clause_map", "line"),
    [
        ("numbering: mine\n", 1),
        ("clauses:\n  1.1.1:\n    - [1.1.1]\n", 3),
        ("clauses: {}\nclause: {}\n", 1),
        ("clauses:\n\t1.1.1: 1.1.1\n", 2),
    ],
)
def test_a_map_of_another_form(tmp_path: Path, clause_map: str, line: int) -> None:
    with pytest.raises(ConfigurationInvalid) as error:
        written(tmp_path, complete(), clause_map)
    assert error.value.problems[0].where == f"{tmp_path}/pas.map.yml:{line}"


def test_the_labs_document_is_complete_and_says_that_it_is_fictional() -> None:
    document = project_root() / "inventories" / "lab" / "pas.md"
    assert contract_problems(load_contract(document), CATALOGUE) == []
    assert "Document fictif" in document.read_text("utf-8")[:200]
