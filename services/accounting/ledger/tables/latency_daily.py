"""How long calls took, as histograms: percentiles of any days and any groups can be read from them, to within 5 %.

A percentile cannot be summed up from parts, and to sort millions of rows takes too long to wait for. Buckets grow by a
tenth each, `bucket` being the power of 1.1 that is the upper end in milliseconds, so what is in one is known to within
a twentieth by its middle.
"""

from sqlalchemy import BigInteger, Column, Date, SmallInteger, Table, Text

from services.accounting.ledger.tables.metadata import Identifier, fact, metadata

__all__ = ["latency_daily"]

latency_daily = Table(
    "latency_daily",
    metadata,
    Column("day", Date, primary_key=True, comment="The day (UTC) on which the calls ended."),
    Column("tenant", Identifier, primary_key=True, comment="Who pays."),
    Column("model_asked", Text, primary_key=True, comment="The model the callers asked for."),
    Column("provider", Identifier, primary_key=True, comment="The provider's name in sluice.yaml."),
    Column("deployment", Text, primary_key=True, comment="The deployment that was called."),
    Column("lane", Identifier, primary_key=True, comment="interactive or batch."),
    Column(
        "measure",
        Identifier,
        primary_key=True,
        comment="first_token or duration, as in the ledger; of calls that succeeded.",
    ),
    Column(
        "bucket",
        SmallInteger,
        primary_key=True,
        autoincrement=False,
        comment="The calls took more than 1.1 ^ (bucket - 1) and at most 1.1 ^ bucket milliseconds.",
    ),
    fact("calls", BigInteger(), "How many."),
    comment="Histograms of how long calls took, by day. Always equal to the ledger, as usage_daily is.",
)
