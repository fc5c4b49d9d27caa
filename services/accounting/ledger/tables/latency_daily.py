"""How long calls took, as histograms: percentiles of any days and any groups can be read from them, to within 5 %.

A percentile cannot be summed up from parts, and to sort millions of rows takes too long to wait for. So calls are
counted in buckets that grow by a tenth each: bucket `b` is for more than 1.1 ^ (b - 1) and at most 1.1 ^ b
milliseconds, and what is in it is known to within a twentieth by its middle.

A histogram is one number, which has the counts of its buckets as its digits to the base of 10 ^ 12: a call in bucket
`b` counts 10 ^ (12 b). So histograms add up as numbers do, by `+` and by `sum()`, which PostgreSQL does twenty times
faster than it groups a row for each bucket; empty buckets at both ends take no space. The SQL function
`latency_buckets` takes one apart again.
"""

from sqlalchemy import Column, Date, Numeric, Table, Text

from services.accounting.ledger.tables.metadata import ROOM_TO_UPDATE, Identifier, fact, metadata

__all__ = ["latency_daily"]

_HISTOGRAM = (
    "a histogram, which is a number: sum() merges several, and latency_buckets() tells how many calls took how long."
)

latency_daily = Table(
    "latency_daily",
    metadata,
    Column("day", Date, primary_key=True, comment="The day (UTC) on which the calls ended."),
    Column("tenant", Identifier, primary_key=True, comment="Who pays."),
    Column("model_asked", Text, primary_key=True, comment="The model the callers asked for."),
    Column("provider", Identifier, primary_key=True, comment="The provider's name in sluice.yaml."),
    Column("deployment", Text, primary_key=True, comment="The deployment that was called."),
    Column("lane", Identifier, primary_key=True, comment="interactive or batch."),
    fact("first_token", Numeric(), f"How long until the first token: {_HISTOGRAM}"),
    fact("duration", Numeric(), f"How long until the end: {_HISTOGRAM}"),
    comment="How long calls that succeeded took, by day, as histograms. Always equal to the ledger, as usage_daily is.",
    postgresql_with=ROOM_TO_UPDATE,
)
