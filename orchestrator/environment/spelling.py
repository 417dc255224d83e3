"""What somebody probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that is close enough to be meant, or None."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.7)
    return close[0] if close else None


def remedy(word: str, known: Iterable[str], otherwise: str) -> str:
    """A next step: the correction of `word` when there is one, else `otherwise`."""
    meant = did_you_mean(word, known)
    return f"did you mean `{meant}`?" if meant else otherwise
