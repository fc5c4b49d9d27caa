"""Money: integer nanodollars, rounded once per charge line. There is no float and no division anywhere else."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import NewType

__all__ = ["NANOS_PER_DOLLAR", "Nanodollars", "dollars", "nanodollars"]

Nanodollars = NewType("Nanodollars", int)

NANOS_PER_DOLLAR = 1_000_000_000


def nanodollars(amount: Decimal) -> Nanodollars:
    """Round an exact amount of US dollars to the nearest nanodollar, ties to even."""
    return Nanodollars(int((amount * NANOS_PER_DOLLAR).to_integral_value(ROUND_HALF_EVEN)))


def dollars(amount: Nanodollars) -> Decimal:
    """The exact amount in US dollars, for showing to a person."""
    return Decimal(amount).scaleb(-9)
