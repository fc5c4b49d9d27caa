"""What is known of a model by its name alone: how it counts tokens, how much it reads, how much it writes."""

from shared.catalog.lookup import ModelFacts, find

__all__ = ["ModelFacts", "find"]
