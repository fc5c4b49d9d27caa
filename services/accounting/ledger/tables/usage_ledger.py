"""The ledger: one row per call to a provider, and nothing is ever changed or deleted in it but by retention.

The key is `(job_id, attempt, keyed_at)`. The first two name the attempt (`attempt_id` is made of them), so they alone
decide whether a row is a duplicate. `keyed_at` is the time inside the job's id, so equal attempts always carry an equal
one; it is in the key because PostgreSQL can partition a table only by a column of its unique keys, and this one is
partitioned by month. `accepted_at` would not do: a submission that is admitted again after a crash keeps its id but
not that time. The partitions are made ahead by `ledger/months.py`; what fits into none stands in the one for the rest.

An attempt whose worker died is charged by its successor (`abandoned`, `partial`). Should the dead worker turn out to
live and report the provider's own figure later, the first row stays: for now, a ledger that changes after it was read
is taken to be worse than one that is a few tokens short.
"""

from sqlalchemy import BigInteger, Column, Computed, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from services.accounting.ledger.tables.metadata import Identifier, Moment, Tokens, fact, metadata, optional

__all__ = ["usage_ledger"]


def _milliseconds(later: str, earlier: str) -> Computed:
    return Computed(f"(extract(epoch from ({later} - {earlier})) * 1000)::integer", persisted=True)


usage_ledger = Table(
    "usage_ledger",
    metadata,
    Column("job_id", Identifier, primary_key=True, comment="The job the call was made for: job_<32 hex digits>."),
    Column(
        "attempt",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="Counts the provider calls of the job, from 1.",
    ),
    Column(
        "keyed_at",
        Moment,
        primary_key=True,
        comment="The time inside the job id, in the key so that the table can be partitioned by it.",
    ),
    Column(
        "attempt_id",
        Identifier,
        Computed("job_id || '.' || attempt", persisted=True),
        nullable=False,
        comment="<job_id>.<attempt>, the id of the call in events and logs.",
    ),
    optional(
        "role",
        Identifier,
        "What the call was for: first; retry, of the same deployment; failover, to another. Null: nobody said.",
    ),
    fact("epoch", Integer(), "The fencing number under which the worker ran the job; above 1 the job was taken over."),
    fact("tenant", Identifier, "Who pays."),
    optional("team", Identifier, "The team of the tenant that the key belongs to; null when it is in none."),
    fact("caller", Identifier, "The id of the API key, unique within its tenant."),
    optional("end_user", Text(), "The end user as the request named it in `user`; null when it did not."),
    optional(
        "feature", Text(), "The feature of the product that asked, as the request named it; null when it did not."
    ),
    Column("tags", JSONB, nullable=False, server_default="{}", comment="Free labels of the request, text to text."),
    fact("lane", Identifier, "interactive: somebody waited for it; batch: it could wait."),
    fact("model_asked", Text(), "The model the caller asked for."),
    optional(
        "model_served", Text(), "The model as the provider named it in its answer; null when there was no answer."
    ),
    fact("provider", Identifier, "The provider's name in sluice.yaml."),
    optional(
        "provider_key",
        Text(),
        "Which of the provider's keys was used, by its name in sluice.yaml or its place there; null where it has one.",
    ),
    fact("deployment", Text(), "The deployment that was called."),
    fact("upstream_model", Text(), "The id under which the provider was asked; the price was looked up by it."),
    optional("region", Text(), "The deployment's region; null when it has none."),
    optional(
        "service_tier",
        Identifier,
        "The class of service in which the provider says it answered, such as flex; null when it named none.",
    ),
    fact("status", Identifier, "How the call ended: succeeded, failed, cancelled, or abandoned (its worker died)."),
    fact(
        "uncached_input_tokens", Tokens, "Input at full price. The four buckets are disjoint: their sum is the total."
    ),
    fact("cache_write_tokens", Tokens, "Input that the provider put into its prompt cache."),
    fact("cache_read_tokens", Tokens, "Input that came from the provider's prompt cache."),
    fact("output_tokens", Tokens, "Output, reasoning included."),
    fact(
        "reasoning_tokens", Tokens, "The part of output_tokens that nobody sees. Already counted there: never add it."
    ),
    Column(
        "units",
        JSONB,
        nullable=False,
        server_default="{}",
        comment="What was counted besides and may have a price of its own, by its name: cache_write_1h, web_search, …",
    ),
    fact(
        "usage_source",
        Identifier,
        "Who counted: provider; partial: what had arrived; estimate: our tokenizer; none: nothing served.",
    ),
    optional(
        "cost_nanodollars",
        BigInteger(),
        "What the call cost by our price book, in billionths of a US dollar. Null: no price was known.",
    ),
    fact(
        "billing",
        Identifier,
        "The rule by which the tenant pays: whole for a call that succeeded, else its partial_answers.",
    ),
    Column(
        "billed_nanodollars",
        BigInteger,
        Computed(
            "case when billing = 'free' or (billing = 'charge-cancelled' and status <> 'cancelled') then 0"
            " else cost_nanodollars end",
            persisted=True,
        ),
        nullable=True,
        comment="What the tenant pays of the cost, by that rule, in billionths of a US dollar. Null: no price.",
    ),
    optional(
        "cache_saved_nanodollars",
        BigInteger(),
        "What the call would have cost more without the provider's prompt cache; negative where writing into it cost "
        "more than reading from it saved. Null: no price was known.",
    ),
    optional("provider_cost_nanodollars", BigInteger(), "What the provider says it cost, where it says so."),
    fact("price_version", Text(), "Which prices were used: a version of the public price book, or override:<hash>."),
    optional("finish_reason", Text(), "Why the model stopped: stop, length, tool_calls, content_filter."),
    optional("error_kind", Identifier, "What went wrong, as one word of the router's failure table; null on success."),
    fact("accepted_at", Moment, "When the job was accepted."),
    fact("started_at", Moment, "When the call was made."),
    optional("first_token_at", Moment, "When the first output token arrived; null when none did."),
    fact("ended_at", Moment, "When the call ended. Roll-ups and reports count the call in this hour."),
    Column(
        "queue_ms",
        Integer,
        _milliseconds("started_at", "accepted_at"),
        nullable=False,
        comment="From acceptance to the start of this call. Of attempt 1 it is the time in the queue.",
    ),
    Column(
        "first_token_ms",
        Integer,
        _milliseconds("first_token_at", "started_at"),
        nullable=True,
        comment="From the start of the call to its first output token; null when none arrived.",
    ),
    Column(
        "duration_ms",
        Integer,
        _milliseconds("ended_at", "started_at"),
        nullable=False,
        comment="From the start of the call to its end.",
    ),
    Column("recorded_at", Moment, nullable=False, server_default=func.now(), comment="When this row was written."),
    # Rows arrive almost in the order of ended_at, so a block range index costs nothing and finds a day or a month.
    Index("usage_ledger_ended_at_idx", "ended_at", postgresql_using="brin"),
    Index("usage_ledger_unpriced_idx", "provider", "upstream_model", postgresql_where=text("cost_nanodollars IS NULL")),
    comment="One row per call to a provider, failed and abandoned ones too. Only a new price changes it.",
    postgresql_partition_by="RANGE (keyed_at)",
)
