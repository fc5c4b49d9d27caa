"""The same for a program: one object, stable in its names."""

from cli.demonstration.figures import Percentiles
from cli.demonstration.outcome import Outcome

__all__ = ["as_json"]


def as_json(outcome: Outcome) -> dict[str, object]:
    figures, usage = outcome.figures, outcome.figures.usage
    return {
        "ok": outcome.holds,
        "seed": outcome.seed,
        "seconds": {name: round(seconds, 3) for name, seconds in outcome.phases.items()},
        "jobs": {"accepted": dict(figures.accepted), "ended": dict(figures.ended)},
        "calls": {
            "by_status": dict(figures.calls),
            "faults": dict(figures.faults),
            "retries": figures.retries,
            "failovers": figures.failovers,
            "restarts": figures.restarts,
        },
        "killed_worker": {"jobs_in_hand": figures.in_hand, "taken_over": figures.taken_over},
        "streams": {"readers": figures.readers, "resumed": figures.resumed, "events": figures.events},
        "tokens": {
            "input": usage.input,
            "cached": usage.cache_read,
            "output": usage.output,
            "reasoning": usage.reasoning,
        },
        "cost_nanodollars": figures.cost,
        "models": [
            {
                "model": model.model,
                "jobs": model.jobs,
                "calls": model.calls,
                "input_tokens": model.usage.input,
                "output_tokens": model.usage.output,
                "cost_nanodollars": model.cost,
            }
            for model in figures.models
        ],
        "first_token_seconds": _percentiles(figures.first_token),
        "providers_first_token_seconds": _percentiles(figures.providers_first_token),
        "checks": [
            {"claim": each.claim, "holds": each.holds, "finding": each.finding, "faults": list(each.faults)}
            for each in outcome.verdicts
        ],
        "kept": str(outcome.kept) if outcome.kept else None,
    }


def _percentiles(times: Percentiles | None) -> dict[str, float] | None:
    return None if times is None else {"p50": round(times.p50, 4), "p95": round(times.p95, 4)}
