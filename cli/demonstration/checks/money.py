"""Is the money right? Each cost is worked out a second time, and the sums are added up a second time."""

from collections.abc import Iterator

from cli.demonstration.checks.verdict import Verdict
from cli.demonstration.evidence import Evidence, LedgerRow, RollupKey, RollupRow
from cli.demonstration.prices import PriceOf
from shared.contracts import TokenUsage
from shared.money import Nanodollars, dollars

__all__ = ["costs_are_the_prices_times_the_tokens", "rollups_are_the_ledger"]


def costs_are_the_prices_times_the_tokens(evidence: Evidence, price_of: PriceOf) -> Verdict:
    charged = sum(row.cost or 0 for row in evidence.ledger)
    faults = tuple(_mispriced(evidence, price_of))
    finding = f"${dollars(Nanodollars(charged)):f} over {len(evidence.ledger)} calls, each worked out again"
    return Verdict("cost in PostgreSQL is price times tokens, to the nanodollar", finding, faults)


def _mispriced(evidence: Evidence, price_of: PriceOf) -> Iterator[str]:
    for row in evidence.ledger:
        due = price_of(row.provider, row.upstream_model, row.usage, row.started_at)
        if row.cost == due:
            continue
        if row.cost is None:
            yield f"{row.attempt_id} has no cost, {due} nanodollars are due"
        elif due is None:
            yield f"{row.attempt_id} costs {row.cost} nanodollars, and nobody has a price for {row.upstream_model}"
        else:
            yield f"{row.attempt_id} costs {row.cost} nanodollars, {due} are due"


def rollups_are_the_ledger(evidence: Evidence) -> Verdict:
    due = _summed(evidence.ledger)
    faults = tuple(
        f"{key.model} at {key.provider}: {evidence.rollup.get(key)} in the roll-up, {due.get(key)} in the ledger"
        for key in sorted(due.keys() | evidence.rollup.keys())
        if evidence.rollup.get(key) != due.get(key)
    )
    calls = sum(row.attempts for row in evidence.rollup.values())
    finding = f"{len(evidence.ledger)} rows = {calls} calls in usage_hourly, {len(due)} models by provider"
    return Verdict("the hourly roll-ups are the sum of the ledger", finding, faults)


def _summed(rows: tuple[LedgerRow, ...]) -> dict[RollupKey, RollupRow]:
    sums: dict[RollupKey, RollupRow] = {}
    for row in rows:
        key = RollupKey(row.model, row.provider)
        so_far = sums.get(key, RollupRow(0, TokenUsage(), Nanodollars(0)))
        sums[key] = RollupRow(so_far.attempts + 1, so_far.usage + row.usage, Nanodollars(so_far.cost + (row.cost or 0)))
    return sums
