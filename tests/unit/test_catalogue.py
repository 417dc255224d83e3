"""The catalogue: its form, its order, and looking measures up."""

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.catalogue import Kind, load_catalogue, measure_key, measure_of, tag_of
from orchestrator.catalogue.load import CATALOGUE_FILE
from orchestrator.errors import PasInfraError

CATALOGUE = load_catalogue()
SCHEMA = json.loads(CATALOGUE_FILE.with_name("measures.schema.json").read_text("utf-8"))
VALID = {
    "number": "6.2.1",
    "title": "Chiffrement des flux",
    "summary": "Les flux sont chiffrés.",
    "kind": "technical",
    "owner": "RSSI",
}


def schema_errors(measure: dict[str, str]) -> list[str]:
    data = {"chapters": [], "measures": [measure]}
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(data)]


def test_the_file_fits_its_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    data = yaml.safe_load(CATALOGUE_FILE.read_text("utf-8"))
    errors = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(data)]
    assert errors == []


@pytest.mark.parametrize(
    "change",
    [
        {"number": "6.2"},
        {"number": "06.2.1"},
        {"kind": "useful"},
        {"owner": "Jean Dupont"},
        {"summary": "Sans point final, donc pas une phrase"},
        {"summary": "Une première ligne.\nUne deuxième."},
        {"title": "Un titre qui finit par un point."},
        {"colour": "blue"},
    ],
    ids=str,
)
def test_the_schema_refuses(change: dict[str, str]) -> None:
    assert schema_errors(VALID) == []
    assert schema_errors(VALID | change)


def test_all_measures_of_all_chapters() -> None:
    numbers = [measure.number for measure in CATALOGUE]
    assert len(CATALOGUE) == len(set(numbers)) == 73
    assert [chapter.number for chapter in CATALOGUE.chapters] == [str(n) for n in range(1, 14)]
    assert {measure.chapter for measure in CATALOGUE} == {c.number for c in CATALOGUE.chapters}
    assert numbers == sorted(numbers, key=measure_key)
    assert (numbers[0], numbers[-1]) == ("1.1.1", "13.4.2")


def test_numbers_leave_no_gap() -> None:
    """Every third part counts up from 1, so none of the reference text was forgotten in between."""
    for measure in CATALOGUE:
        section, _, last = measure.number.rpartition(".")
        assert last == "1" or f"{section}.{int(last) - 1}" in CATALOGUE


@pytest.mark.parametrize(
    ("kind", "count"), [(Kind.TECHNICAL, 28), (Kind.EVIDENCE, 5), (Kind.ORGANISATIONAL, 40)]
)
def test_kinds(kind: Kind, count: int) -> None:
    assert sum(measure.kind is kind for measure in CATALOGUE) == count


def test_french_typography() -> None:
    text = re.sub(r"(?m)^#.*$", "", CATALOGUE_FILE.read_text("utf-8"))
    assert "'" not in text
    assert re.findall(r"[^\s\u00a0]+ [;?!»]|« \S+", text) == []


def test_titles_and_summaries_are_told_apart() -> None:
    assert len({measure.title for measure in CATALOGUE}) == 73
    assert len({measure.summary for measure in CATALOGUE}) == 73


@pytest.mark.parametrize("number", ["1.2.2", "6.1.3", "13.1.1"])
def test_known_errors_of_the_text_are_noted(number: str) -> None:
    assert CATALOGUE[number].note


def test_a_measure_by_its_number() -> None:
    measure = CATALOGUE["6.2.1"]
    assert (measure.chapter, measure.kind, measure.owner) == ("6", "technical", "Administrateur")
    assert "6.2.1" in CATALOGUE
    assert "6.2" not in CATALOGUE


@pytest.mark.parametrize(
    ("number", "near"),
    [("6.4.9", "6.4.1, 6.4.2"), ("8.2.1", "8.1.1"), ("99", "chapters go from 1 to 13"), ("x", "1")],
)
def test_an_unknown_number_names_near_ones(number: str, near: str) -> None:
    for look_up in (CATALOGUE.__getitem__, CATALOGUE.below):
        with pytest.raises(PasInfraError, match=f"no measure {number}") as error:
            look_up(number)
        assert near in (error.value.next_step or "")


@pytest.mark.parametrize(
    ("prefix", "numbers"),
    [
        ("6.3", ["6.3.1", "6.3.2"]),
        ("6.3.", ["6.3.1", "6.3.2"]),
        ("6.3.2", ["6.3.2"]),
        ("1", ["1.1.1", "1.2.1", "1.2.2", "1.2.3", "1.3.1", "1.3.2"]),
    ],
)
def test_below(prefix: str, numbers: list[str]) -> None:
    assert [measure.number for measure in CATALOGUE.below(prefix)] == numbers


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["13.1.1", "6.2.10", "6.2.9", "6.10.1"], key=measure_key) == [
        "6.2.9",
        "6.2.10",
        "6.10.1",
        "13.1.1",
    ]


@pytest.mark.parametrize("number", [measure.number for measure in CATALOGUE])
def test_tags_go_there_and_back(number: str) -> None:
    assert measure_of(tag_of(number)) == number


@pytest.mark.parametrize("tag", ["ssh", "pas", "pas_6_2", "pas_6_2_1_1", "pas-6-2-1", "xpas_6_2_1"])
def test_other_tags_are_no_measure(tag: str) -> None:
    assert measure_of(tag) is None


def test_the_catalogue_knows_no_role_and_no_path() -> None:
    text = CATALOGUE_FILE.read_text("utf-8")
    assert not re.search(r"pas_\d|roles/|tests/|test_", text)
