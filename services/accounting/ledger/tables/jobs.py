"""A row per job: what was asked at acceptance, how it ended, and, as far as retention allows, its content.

The facts of the acceptance come from the jobs topics and those of the end from the results topic, in any order: each
side fills its own columns once, so both orders give the same row.
"""

from sqlalchemy import JSON, Boolean, Column, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from services.accounting.ledger.tables.metadata import Identifier, Moment, Tokens, fact, metadata, optional

__all__ = ["jobs"]

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Identifier, primary_key=True, comment="job_<32 hex digits>; ids sort by time of acceptance."),
    fact("tenant", Identifier, "Whose job it is. Every read for a caller must ask for its tenant too."),
    fact("caller", Identifier, "The id of the API key, unique within its tenant."),
    optional("custom_id", Text(), "The submitter's own name for it; null when none was given."),
    fact("lane", Identifier, "interactive or batch."),
    optional("feature", Text(), "The feature of the product that asked; null when none was named."),
    fact("model_asked", Text(), "The model the caller asked for."),
    fact("status", Identifier, "queued until it has ended, then succeeded, failed, cancelled or expired, for ever."),
    fact("accepted_at", Moment, "When it was accepted."),
    optional(
        "door", Identifier, "How it came in: chat, jobs or topic. Null until the record of its acceptance is here."
    ),
    optional("endpoint", Text(), "The OpenAI endpoint it speaks to. From the acceptance."),
    optional("end_user", Text(), "The end user as the request named it in `user`. From the acceptance."),
    optional("tags", JSONB(), "Free labels of the request, text to text. From the acceptance."),
    optional("streamed", Boolean(), "Whether its tokens went into the job log. From the acceptance."),
    optional("on_interrupt", Identifier, "restart, fail or continue. From the acceptance."),
    optional("input_tokens", Tokens, "Its input as counted before it was queued. From the acceptance."),
    optional("deadline", Moment, "When it expires. From the acceptance."),
    optional(
        "request", JSON(), "The body as the caller sent it. Null when retention.content is off. From the acceptance."
    ),
    optional("model_served", Text(), "The model that answered, as the provider named it. From the end."),
    optional(
        "response", JSON(), "The chat.completion object, or what had arrived of it; null when retention.content is off."
    ),
    optional(
        "error", JSONB(), "status_code, message, type, code and param, as an OpenAI client reads them. From the end."
    ),
    optional("finish_reason", Text(), "Why the model stopped. From the end."),
    optional("uncached_input_tokens", Tokens, "Input at full price, of all attempts. From the end."),
    optional("cache_write_tokens", Tokens, "Input put into a prompt cache, of all attempts. From the end."),
    optional("cache_read_tokens", Tokens, "Input from a prompt cache, of all attempts. From the end."),
    optional("output_tokens", Tokens, "Output, reasoning included, of all attempts. From the end."),
    optional("reasoning_tokens", Tokens, "The part of output_tokens that nobody sees. From the end."),
    optional(
        "attempts",
        JSONB(),
        "Its calls: attempt, provider, provider_key, deployment, status, error_kind, started_at, ended_at. "
        "From the end.",
    ),
    optional(
        "route", JSONB(), "A list of the deployments that could have served it, in the order planned. From the end."
    ),
    optional(
        "plan",
        JSONB(),
        "Of each deployment: deployment, model, verdict (asked, spare, skipped), reason. From the end.",
    ),
    optional("epoch", Integer(), "The fencing number under which it ended; above 1 it was taken over. From the end."),
    optional("started_at", Moment, "When a worker began it; null when none ever did. From the end."),
    optional("ended_at", Moment, "When it ended; null until then."),
    optional(
        "reserved",
        JSONB(),
        "nanodollars and windows: what was held of budgets; null: nothing. From the acceptance.",
    ),
    optional("settled_at", Moment, "When all that it cost was in the ledger; null: not yet, or no budget."),
    Column(
        "recorded_at", Moment, nullable=False, server_default=func.now(), comment="When this row was first written."
    ),
    # A tenant's jobs, newest first, page by page.
    Index(None, "tenant", "job_id"),
    Index("jobs_held_idx", "tenant", "job_id", postgresql_where=text("reserved IS NOT NULL AND settled_at IS NULL")),
    comment="One row per accepted job; its cost is in job_costs. The ingress reads any column of both, by tenant.",
)
