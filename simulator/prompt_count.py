"""How many tokens is a prompt? On request counted exactly as the gateway counts it, not by the simulator's own measure.

Then the ledger can be compared even for a call that was cut before it reported its usage.
"""

from collections.abc import Callable

import orjson

from shared.tokens import EncodingName, TokenCounter

__all__ = ["exact_count"]


def exact_count(encoding: EncodingName) -> Callable[[bytes], int]:
    """Takes the body of a chat request that has been understood. Loads the vocabulary: blocks for some 0.2 s."""
    counter = TokenCounter()
    counter.load(encoding)

    def count(body: bytes) -> int:
        return counter.count_chat(encoding, orjson.loads(body)).input

    return count
