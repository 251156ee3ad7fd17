"""Owns how long lists of words become one quick regular expression. Knows nothing of what the words mean."""

import re
from collections.abc import Iterable


def unpadded(text: str) -> str:
    """A lower-case user agent without what nearly all of them repeat: half as long to search for words. The blank after
    what is cut stays, for words that begin with one."""
    for padding in _PADDING:
        text = text.replace(padding, "|")
    return text


_PADDING = (
    "mozilla/5.0 (",
    " applewebkit/537.36 (khtml, like gecko)",
    " applewebkit/605.1.15 (khtml, like gecko)",
    " mobile safari/537.36",
    " safari/604.1",
    " like mac os x)",
)


def any_of(words: Iterable[str], *shapes: str) -> re.Pattern[str]:
    """One pattern for all the words, as a tree of their letters: ten times quicker than `a|b|c` (6 us for 250).
    `shapes` are ready expressions; one that does not begin with a letter costs the quick first look."""
    return re.compile("|".join((_tree(set(words)), *shapes)))


def _tree(words: set[str]) -> str:
    if "" in words:
        return ""
    rests: dict[str, set[str]] = {}
    for word in words:
        rests.setdefault(word[0], set()).add(word[1:])
    return "(?:" + "|".join(re.escape(head) + _tree(rest) for head, rest in sorted(rests.items())) + ")"
