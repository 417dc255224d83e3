"""Generated secrets are as strong as they say, and no weaker ones are to be had."""

import math
from itertools import pairwise, product

import pytest

from orchestrator.access import password
from orchestrator.access.password import (
    CLASSES,
    Generated,
    generate_passphrase,
    generate_password,
    password_entropy,
)
from orchestrator.errors import PasInfraError


@pytest.mark.parametrize("length", [17, 20, 64])
def test_a_password_has_every_class_and_no_repeat(length: int) -> None:
    for _ in range(50):
        text = generate_password(length).text
        assert len(text) == length
        assert all(set(group) & set(text) for group in CLASSES)
        assert all(one != other for one, other in pairwise(text))
        assert set(text) <= set("".join(CLASSES))


def test_what_is_mistaken_for_another_is_not_used() -> None:
    assert not set("0O1lI\"'`$\\!") & set("".join(CLASSES))


@pytest.mark.parametrize("length", [2, 3, 4, 5])
def test_the_entropy_counts_what_passes(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(password, "CLASSES", ("ab", "C", "7"))
    passing = sum(
        all(set(group) & set(word) for group in ("ab", "C", "7"))
        and all(one != other for one, other in pairwise(word))
        for word in product("abC7", repeat=length)
    )
    assert password_entropy(length) == (math.log2(passing) if passing else 0)


def test_every_password_that_passes_comes_up_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password, "CLASSES", ("ab", "C", "7"))
    monkeypatch.setattr(password, "LEAST_LENGTH", 3)
    monkeypatch.setattr(password, "LEAST_ENTROPY", 0.0)
    drawn = [generate_password(3).text for _ in range(6000)]
    counts = {text: drawn.count(text) for text in set(drawn)}
    assert len(counts) == round(2 ** password_entropy(3)) == 12
    # Each is expected 500 times; 150 off is seven standard deviations.
    assert all(abs(count - 500) < 150 for count in counts.values())


def test_a_passphrase_can_be_said_and_has_every_class() -> None:
    for _ in range(50):
        made = generate_passphrase(6)
        *words, digit = made.text.split("-")
        assert [len(word) for word in words] == [6] * 6
        assert made.text[0].isupper()
        assert digit in CLASSES[2]
        assert all(one != other for one, other in pairwise(made.text))


def test_the_entropy_of_a_passphrase() -> None:
    assert generate_passphrase(6).entropy == pytest.approx(18 * math.log2(80) + 3)


def test_no_two_are_alike() -> None:
    made = {generate_password(20).text for _ in range(200)}
    made |= {generate_passphrase(6).text for _ in range(200)}
    assert len(made) == 400


@pytest.mark.parametrize(("length", "words"), [(16, 5), (15, 4), (3, 1), (1, 0), (0, -1)])
def test_what_is_too_weak_is_refused(length: int, words: int) -> None:
    with pytest.raises(PasInfraError, match="PG-078 asks") as caught:
        generate_password(length)
    assert "--length" in str(caught.value.next_step)
    with pytest.raises(PasInfraError, match="PG-078 asks") as caught:
        generate_passphrase(words)
    assert "--words" in str(caught.value.next_step)


def test_the_shortest_that_are_strong_enough() -> None:
    for made in (generate_password(17), generate_passphrase(6)):
        assert isinstance(made, Generated)
        assert 100 <= made.entropy < 120
