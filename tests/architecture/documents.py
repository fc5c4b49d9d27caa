"""What do the documents say? Their headings, links and code, and the commands in it, taken from the Markdown."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.architecture.tree import name_of, tracked

__all__ = ["Command", "anchors", "commands", "documents", "fenced", "mentions", "prose"]

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE: Final = re.compile(r"`([^`\n]+)`")
_HEADING: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_CONTROL: Final = frozenset("();<>|&")


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command of a shell, without its redirections."""

    document: str
    words: tuple[str, ...]
    whole: bool
    """Whether it is there to be pasted; a command that is only mentioned may lack its arguments."""

    def __str__(self) -> str:
        return f"{self.document}: {shlex.join(self.words)}"


@cache
def documents() -> tuple[Path, ...]:
    return tuple(path for path in tracked() if path.suffix == ".md")


def prose(text: str) -> str:
    """Without the blocks of code."""
    return _FENCE.sub("", text)


def fenced(text: str, language: str) -> list[str]:
    return [code for found, code in _FENCE.findall(text) if found == language]


def mentions(text: str) -> list[str]:
    """The code inside sentences and tables."""
    return _INLINE.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The fragments that a link may name, as GitHub makes them from headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(text)):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(next(each for each in _numbered(slug) if each not in found))
    return found


def _numbered(slug: str) -> Iterator[str]:
    yield slug
    number = 0
    while True:
        number += 1
        yield f"{slug}-{number}"


@cache
def commands() -> tuple[Command, ...]:
    found: list[Command] = []
    for path in documents():
        text, name = path.read_text(encoding="utf-8"), name_of(path)
        for block in fenced(text, "bash"):
            lines = block.replace("\\\n", " ").splitlines()
            found += [Command(name, words, whole=True) for line in lines for words in _simple(line)]
        for mention in mentions(text):
            if re.match(r"(sluice|make|python|docker|curl|kcat) ", mention) and "…" not in mention:
                found += [Command(name, words, whole=False) for words in _simple(mention)]
    return tuple(found)


def _simple(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line, which may be a pipe, a list, or hold a substitution; assignments before them left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= _CONTROL:
            words.append(word)
            continue
        while words and re.match(r"(export$|\w+=)", words[0]):
            words.pop(0)
        if words:
            yield tuple(words)
        words = []
