"""Count tokens, whatever the text: no input makes it fail, take long, or stall the event loop."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

import tiktoken
from pydantic import JsonValue

from shared.tokens.calibration import EXACT, Calibration
from shared.tokens.chat import HIGH_DETAIL, ChatTokens, Countable, countable
from shared.tokens.vocabularies import EncodingName, load_encoding

__all__ = ["TokenCounter"]

_SLICE: Final = 65_536
"""Characters tokenized at once: a million spaces overflow the stack of tiktoken's regex engine, and a slice cannot.

A token is cut in two at each border, so a text of a megabyte counts some 20 too many of 200,000.
"""

_INLINE: Final = 16_384
"""Characters counted in the loop; more go to a thread, for tiktoken releases the GIL (500 kB would stall it 40 ms)."""


class TokenCounter:
    """Holds the vocabularies of a process; each is loaded when first asked for. May be used from several threads."""

    def __init__(self) -> None:
        self._loaded: dict[EncodingName, tiktoken.Encoding] = {}
        self._loading = threading.Lock()

    def load(self, *encodings: EncodingName) -> None:
        """Load now instead of at the first count. Blocks for 0.1 to 0.3 s each."""
        for name in encodings:
            self._encoding(name)

    def count_text(self, encoding: EncodingName, text: str) -> int:
        """Special tokens inside the text, such as `<|endoftext|>`, count as the plain text they are."""
        return sum(self._slices(encoding, text))

    def count_chat(
        self, encoding: EncodingName, body: Mapping[str, JsonValue], calibration: Calibration = EXACT
    ) -> ChatTokens:
        """The input of a chat request; the formula is in `shared/tokens/chat.py`."""
        return self._total(encoding, countable(body), calibration)

    async def count_chat_async(
        self,
        encoding: EncodingName,
        body: Mapping[str, JsonValue],
        calibration: Calibration = EXACT,
        enough: int | None = None,
    ) -> ChatTokens:
        """The same; a long request, and the first one of an encoding, is counted in a thread.

        Counting ends above `enough`: 32 MB take some ten seconds, and few models read a tenth of them.
        """
        request = countable(body)
        if encoding in self._loaded and request.characters <= _INLINE:
            return self._total(encoding, request, calibration)
        return await asyncio.to_thread(self._total, encoding, request, calibration, enough)

    async def count_text_async(self, encoding: EncodingName, text: str) -> int:
        if encoding in self._loaded and len(text) <= _INLINE:
            return self.count_text(encoding, text)
        return await asyncio.to_thread(self.count_text, encoding, text)

    def _total(
        self, encoding: EncodingName, request: Countable, calibration: Calibration, enough: int | None = None
    ) -> ChatTokens:
        counted = 0
        for tokens in chain.from_iterable(self._slices(encoding, text) for text in request.texts):
            counted += tokens
            if enough is not None and request.fixed + counted > enough:
                total = request.fixed + counted
                return ChatTokens(input=total, most=total, images=request.images, is_cut=True)
        most = request.fixed + calibration.most(counted, request.texts)
        if calibration.image is not None:
            most += request.images * max(calibration.image - HIGH_DETAIL, 0)
        return ChatTokens(input=request.fixed + counted, most=most, images=request.images)

    def _slices(self, encoding: EncodingName, text: str) -> Iterator[int]:
        tokenizer = self._encoding(encoding)
        for start in range(0, len(text), _SLICE):
            yield _count(tokenizer, text[start : start + _SLICE])

    def _encoding(self, name: EncodingName) -> tiktoken.Encoding:
        if name not in self._loaded:
            with self._loading:
                if name not in self._loaded:
                    self._loaded[name] = load_encoding(name)
        return self._loaded[name]


def _count(tokenizer: tiktoken.Encoding, text: str) -> int:
    try:
        return len(tokenizer.encode_ordinary(text))
    except BaseException as error:
        # A panic of the Rust side is no Exception, and its type cannot be imported. One text that upsets the regex
        # engine must not take the process down: four bytes a token is what English has.
        if type(error).__name__ != "PanicException":
            raise
        return len(text.encode("utf-8", "replace")) // 4
