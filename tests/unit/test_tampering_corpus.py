"""The corpus is whole and true: its names exist, and every check is seen to fail somewhere."""

from collections import Counter

import pytest
from tampering.corpus import Tampering, batches, brief, read_corpus, roles, sample

from orchestrator.catalogue import check_measures, role_measures
from orchestrator.paths import project_root

CORPUS = [tampering for role in roles() for tampering in read_corpus(role)]
CHECKS: dict[str, set[str]] = {}
for number, references in check_measures(project_root() / "tests/hosts").items():
    for reference in references:
        CHECKS.setdefault(reference.check, set()).add(number)
TASKS = {
    f"{task.role} : {task.task}"
    for tasks in role_measures(project_root() / "roles").values()
    for task in tasks
}
TRIED = {check for tampering in CORPUS for check in tampering.fails}


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_every_check_is_seen_to_fail(check: str) -> None:
    assert check in TRIED, "no tampering names it in `fails`"


def test_no_two_tamperings_have_the_same_name() -> None:
    counted = Counter((tampering.role, tampering.name) for tampering in CORPUS)
    assert [name for name, count in counted.items() if count > 1] == []


@pytest.mark.parametrize("tampering", CORPUS, ids=str)
def test_names_are_known(tampering: Tampering) -> None:
    assert tampering.fails <= set(CHECKS)
    assert tampering.drift <= TASKS
    assert set(tampering.says) <= tampering.fails


@pytest.mark.parametrize("tampering", CORPUS, ids=str)
def test_measures_are_those_of_the_checks(tampering: Tampering) -> None:
    marked = {number for check in tampering.fails for number in CHECKS[check]}
    assert set(tampering.measures) == marked


@pytest.mark.parametrize("role", roles())
def test_every_role_repairs_something(role: str) -> None:
    assert any(tampering.repair for tampering in CORPUS if tampering.role == role)


@pytest.mark.parametrize("role", roles())
def test_the_brief_corpus_leaves_out_no_check_and_no_task(role: str) -> None:
    whole, short = read_corpus(role), brief(read_corpus(role))
    assert {name for each in short for name in each.fails | each.drift} == {
        name for each in whole for name in each.fails | each.drift
    }
    assert {each for each in whole if each.repair} <= set(short)


@pytest.mark.parametrize("role", roles())
def test_a_batch_shows_nothing_twice(role: str) -> None:
    found = batches(read_corpus(role))
    assert Counter(each for batch in found for each in batch) == Counter(read_corpus(role))
    for batch in found:
        seen = [name for each in batch for name in [*each.fails, *each.drift, *each.files]]
        assert len(seen) == len(set(seen))
        assert len(batch) == 1 or not any(each.alone for each in batch)


@pytest.mark.parametrize("role", roles())
def test_a_sample_is_a_round_with_something_that_is_repaired(role: str) -> None:
    corpus = brief(read_corpus(role))
    one, two = sample(corpus, 1), sample(corpus, 2)
    assert one == list(batches(corpus)[0])
    assert two[: len(one)] == one
    assert any(tampering.repair for tampering in one)
