"""The word somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], closeness: float = 0.7) -> str | None:
    """The known word closest to `word`; None when nothing is close enough to be worth saying.

    Words that differ only in case, `-` or `_` always count as close. `closeness` is how much must be the same, from 0
    to 1 (`difflib`'s ratio).
    """
    import difflib

    candidates = list(known)
    plain = {_plain(candidate): candidate for candidate in candidates}
    if _plain(word) in plain:
        return plain[_plain(word)]
    found = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=closeness)
    return plain[found[0]] if found else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")
