"""How the tables are put together: one set of names, and the types that stand for the same thing everywhere."""

from typing import Any

from sqlalchemy import Column, DateTime, Integer, MetaData, Text
from sqlalchemy.types import TypeEngine

__all__ = ["ROOM_TO_UPDATE", "Identifier", "Moment", "Tokens", "fact", "metadata", "optional"]

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

Identifier = Text(collation="C")
"""Ids are compared byte by byte: that is their time order, and several times faster than a language's collation."""

Moment = DateTime(timezone=True)

Tokens = Integer()
"""Of one call. A sum of many is a bigint."""

ROOM_TO_UPDATE = {"fillfactor": 45}
"""For a table to whose rows every batch adds. All rows of a page may change in one transaction, and what they were
stays until it ends: where both fit, no index is touched, and nothing is left for vacuum."""


def fact(name: str, kind: TypeEngine[Any], comment: str) -> Column[Any]:
    """A column that every row fills."""
    return Column(name, kind, nullable=False, comment=comment)


def optional(name: str, kind: TypeEngine[Any], comment: str) -> Column[Any]:
    return Column(name, kind, nullable=True, comment=comment)
