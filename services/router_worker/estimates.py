"""Counts what an answer used when its provider did not, with the model's own tokenizer where it is known."""

import asyncio

from shared import catalog
from shared.contracts import Job, TokenUsage
from shared.tokens import TokenCounter

__all__ = ["TokenizerEstimates"]


class TokenizerEstimates:
    """The vocabulary is loaded at the first need, in a thread: most workers meet no provider that does not count."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter

    async def usage(self, job: Job, output: str) -> TokenUsage:
        encoding = catalog.find(job.model).encoding
        counted = await asyncio.to_thread(self._counter.count_text, encoding, output)
        return TokenUsage(uncached_input=job.input_tokens, output=counted)
