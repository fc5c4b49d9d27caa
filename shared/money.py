"""Money: integer nanodollars, rounded once per charge line. There is no float and no division anywhere else."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import NewType

__all__ = ["NANOS_PER_DOLLAR", "Nanodollars", "charge_line", "dollars", "nanodollars", "per_token"]

Nanodollars = NewType("Nanodollars", int)

NANOS_PER_DOLLAR = 1_000_000_000

_MILLION = 1_000_000


def nanodollars(amount: Decimal) -> Nanodollars:
    """Round an exact amount of US dollars to the nearest nanodollar, ties to even."""
    return Nanodollars(int((amount * NANOS_PER_DOLLAR).to_integral_value(ROUND_HALF_EVEN)))


def charge_line(tokens: int, per_million: Nanodollars) -> Nanodollars:
    """So many tokens at a price per million of them; the one rounding, ties to even."""
    whole, rest = divmod(tokens * per_million, _MILLION)
    return Nanodollars(whole + (2 * rest > _MILLION or (2 * rest == _MILLION and whole % 2 == 1)))


def per_token(per_million: Nanodollars) -> Nanodollars | None:
    """What one token costs at a price per million; None when it is not a whole number."""
    whole, rest = divmod(per_million, _MILLION)
    return None if rest else Nanodollars(whole)


def dollars(amount: Nanodollars) -> Decimal:
    """The exact amount in US dollars, for showing to a person."""
    return Decimal(amount).scaleb(-9)
