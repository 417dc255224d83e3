"""Passwords and passphrases that reach the strength which PG-078 asks of the most sensitive use."""

import math
import secrets
from dataclasses import dataclass
from itertools import combinations, pairwise

from orchestrator.errors import PasInfraError

# Without the characters that are mistaken for one another when read aloud or copied by hand
# (0 O, 1 l I), and without those that a shell or a keyboard layout makes trouble of.
CLASSES = (
    "abcdefghijkmnopqrstuvwxyz",
    "ABCDEFGHJKLMNPQRSTUVWXYZ",
    "23456789",
    "-_+=.,:;?%@/",
)
CONSONANTS, VOWELS = "bcdfgjklmnprstvz", "aeiou"
SYLLABLES_PER_WORD = 3
# PG-078 R21, the highest of its three levels: 15 characters and more, about 100 bits and more.
LEAST_LENGTH, LEAST_ENTROPY = 15, 100.0


@dataclass(frozen=True)
class Generated:
    """A secret, and the bits of chance that its making took."""

    text: str
    entropy: float
    drawn_from: str

    @property
    def strength(self) -> str:
        """How long and how strong it is, in words that give nothing of it away."""
        return (
            f"{len(self.text)} characters, drawn from {self.drawn_from}: "
            f"{self.entropy:.0f} bits (PG-078 asks {LEAST_ENTROPY:.0f})"
        )


def generate_password(length: int) -> Generated:
    """Random characters of every class, no two the same in a row (as pam_pwquality may ask)."""
    alphabet = "".join(CLASSES)
    entropy = password_entropy(length)
    _strong_enough(entropy, length, "--length")
    text = ""
    while not _passes(text):
        # Drawn anew as a whole: every password that passes stays as likely as another.
        text = "".join(secrets.choice(alphabet) for _ in range(length))
    return Generated(text, entropy, f"{len(alphabet)} letters, digits and signs")


def password_entropy(length: int) -> float:
    """The bits of a password: the logarithm of how many of this length would pass."""
    sizes = [len(group) for group in CLASSES]
    # Inclusion and exclusion over the classes that are missing.
    passing = sum(
        (-1) ** left_out * _without_repeats(sum(sizes) - sum(missing), length)
        for left_out in range(len(sizes) + 1)
        for missing in combinations(sizes, left_out)
    )
    return math.log2(passing) if passing > 0 else 0.0


def generate_passphrase(words: int) -> Generated:
    """Made-up words of syllables, to be said and typed; a capital and a digit for the classes."""
    syllables = words * SYLLABLES_PER_WORD
    entropy = syllables * math.log2(len(CONSONANTS) * len(VOWELS)) + math.log2(len(CLASSES[2]))
    _strong_enough(entropy, 2 * syllables, "--words")
    drawn = ("".join(_syllable() for _ in range(SYLLABLES_PER_WORD)) for _ in range(words))
    return Generated(
        f"{'-'.join(drawn).capitalize()}-{secrets.choice(CLASSES[2])}",
        entropy,
        f"{len(CONSONANTS) * len(VOWELS)} syllables and a digit",
    )


def _without_repeats(letters: int, length: int) -> int:
    """How many words of this length over so many letters hold no letter twice in a row."""
    return letters * (letters - 1) ** (length - 1) if letters and length else 0


def _passes(text: str) -> bool:
    return all(set(group) & set(text) for group in CLASSES) and all(
        one != next_one for one, next_one in pairwise(text)
    )


def _syllable() -> str:
    return secrets.choice(CONSONANTS) + secrets.choice(VOWELS)


def _strong_enough(entropy: float, length: int, option: str) -> None:
    if length < LEAST_LENGTH or entropy < LEAST_ENTROPY:
        raise PasInfraError(
            f"that would be {length} characters and {entropy:.0f} bits, PG-078 asks an "
            f"administrator's for {LEAST_LENGTH} and {LEAST_ENTROPY:.0f}",
            next_step=f"give {option} a higher number, or leave it out",
        )
