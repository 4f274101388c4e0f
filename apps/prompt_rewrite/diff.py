"""What a rewrite changed, word by word, for a person to read before a long render."""

import re
from difflib import SequenceMatcher

_PIECE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+|\s+|[^\w\s]")


def word_diff(original: str, rewrite: str) -> str:
    """One line with both texts: `[-left out-]`, `{+added+}`, the rest in common; letter case counts."""
    before, after = _PIECE.findall(original), _PIECE.findall(rewrite)
    line = []
    for _, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        gone, come = "".join(before[a:b]), "".join(after[c:d])
        if gone == come:
            line.append(gone)
            continue
        line += [f"[-{gone}-]" if gone else "", f"{{+{come}+}}" if come else ""]
    return "".join(line)


def review(original: str, rewrite: str) -> list[str]:
    """The lines that `--diff` shows: both texts and, where they have words in common, what changed between."""
    lines = [f"- {original}", f"+ {rewrite}"]
    common = set(_words(original)) & set(_words(rewrite))
    return [*lines, f"  {word_diff(original, rewrite)}"] if common and original != rewrite else lines


def _words(text: str) -> list[str]:
    return [piece for piece in _PIECE.findall(text) if piece.isalnum()]
