"""How many tokens is that? Counted locally, with two vocabularies that ship with the project."""

from shared.tokens.calibration import EXACT, Calibration
from shared.tokens.chat import ChatTokens
from shared.tokens.counting import TokenCounter
from shared.tokens.vocabularies import EncodingName

__all__ = ["EXACT", "Calibration", "ChatTokens", "EncodingName", "TokenCounter"]
