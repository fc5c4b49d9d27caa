"""What does an attempt cost? Pure: a price book and a usage in, integer nanodollars out."""

from services.accounting.charging.entries import Entry, enter
from services.accounting.charging.fields import AttemptFields

__all__ = ["AttemptFields", "Entry", "enter"]
