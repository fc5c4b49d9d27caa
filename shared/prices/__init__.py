"""What does a usage cost? Price books and the one place where tokens become money; everything but `genai` is pure."""

from shared.prices.cost import cost, saved_by_cache
from shared.prices.own import OwnPrices
from shared.prices.quotes import PriceBook, Prices, Quote, Rate, Tier

__all__ = ["OwnPrices", "PriceBook", "Prices", "Quote", "Rate", "Tier", "cost", "saved_by_cache"]
