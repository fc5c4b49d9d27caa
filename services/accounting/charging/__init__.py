"""What does an attempt cost? Pure: a price book and a usage in, integer nanodollars out."""

from services.accounting.charging.entries import Entry, enter
from services.accounting.charging.fields import MOMENTS, AttemptFields, minute_of

__all__ = ["MOMENTS", "AttemptFields", "Entry", "enter", "minute_of"]
