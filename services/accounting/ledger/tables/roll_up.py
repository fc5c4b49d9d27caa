"""What do the roll-ups have in common? What they are grouped by besides their time, and what they sum.

Both are fed only from rows really inserted into the ledger, in the same transaction, so they equal it at any moment.
Texts that are null in the ledger are empty here: they are part of the key, and a key has no nulls.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Text

from services.accounting.ledger.tables.metadata import Identifier, fact

__all__ = ["roll_up_columns"]


def roll_up_columns() -> tuple[Column[Any], ...]:
    """New ones for each table."""
    return (
        Column("tenant", Identifier, primary_key=True, comment="Who pays."),
        Column("team", Identifier, primary_key=True, comment="The team of the key; empty: it is in none."),
        Column("caller", Identifier, primary_key=True, comment="The id of the API key, unique within its tenant."),
        Column("model_asked", Text, primary_key=True, comment="The model the callers asked for."),
        Column("model_served", Text, primary_key=True, comment="The model as the provider named it; empty: no answer."),
        Column("provider", Identifier, primary_key=True, comment="The provider's name in sluice.yaml."),
        Column("deployment", Text, primary_key=True, comment="The deployment that was called."),
        Column("lane", Identifier, primary_key=True, comment="interactive or batch."),
        Column("feature", Text, primary_key=True, comment="The feature that asked; empty: none was named."),
        Column("status", Identifier, primary_key=True, comment="succeeded, failed, cancelled or abandoned."),
        fact("attempts", BigInteger(), "Calls to the provider."),
        fact("first_attempts", BigInteger(), "Those that were the first of their jobs: so many jobs were begun."),
        fact("retries", BigInteger(), "Those that asked the deployment of the call before again."),
        fact("failovers", BigInteger(), "Those that asked another deployment than the call before."),
        fact("uncached_input_tokens", BigInteger(), "Input at full price. The four buckets are disjoint."),
        fact("cache_write_tokens", BigInteger(), "Input that the provider put into its prompt cache."),
        fact("cache_read_tokens", BigInteger(), "Input that came from the provider's prompt cache."),
        fact("output_tokens", BigInteger(), "Output, reasoning included."),
        fact("reasoning_tokens", BigInteger(), "The part of output_tokens that nobody sees."),
        fact("cost_nanodollars", BigInteger(), "What the calls with a known price cost, in billionths of a US dollar."),
        fact("billed_nanodollars", BigInteger(), "What of it the tenant pays, by the rule for partial answers."),
        fact("unpriced_attempts", BigInteger(), "Calls without a known price; above 0 the cost is a lower bound."),
        fact("unpriced_tokens", BigInteger(), "The tokens, of all four buckets, of the calls without a known price."),
        fact("provider_cost_nanodollars", BigInteger(), "What the providers say the calls cost, where they say so."),
        fact("cache_saved_nanodollars", BigInteger(), "What the calls would have cost more without prompt caches."),
        fact("queue_ms", BigInteger(), "Sum of the ledger's queue_ms; divide by attempts for the mean."),
        fact("duration_ms", BigInteger(), "Sum of the ledger's duration_ms; divide by attempts for the mean."),
        fact(
            "first_token_ms", BigInteger(), "Sum of the ledger's first_token_ms; divide by first_tokens for the mean."
        ),
        fact("first_tokens", BigInteger(), "Calls in which an output token arrived."),
    )
