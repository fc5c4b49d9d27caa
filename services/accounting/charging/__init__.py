"""What does an attempt cost? Pure: a price book and a usage in, integer nanodollars out."""

from services.accounting.charging.cost import cost
from services.accounting.charging.entries import Entry, enter
from services.accounting.charging.own_prices import OwnPrices
from services.accounting.charging.prices import PriceBook, Prices, Quote, Rate, Tier

__all__ = ["Entry", "OwnPrices", "PriceBook", "Prices", "Quote", "Rate", "Tier", "cost", "enter"]
