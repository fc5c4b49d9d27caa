"""What is left of a caller's limits, in the headers by which OpenAI's clients read it."""

from datetime import timedelta

from services.ingress.admission import Allowance

__all__ = ["ratelimit_headers"]


def ratelimit_headers(allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    headers: dict[str, str] = {}
    for resource, left in (("requests", allowance.requests), ("tokens", allowance.tokens)):
        if left is not None:
            headers[f"x-ratelimit-limit-{resource}"] = str(left.limit)
            headers[f"x-ratelimit-remaining-{resource}"] = str(left.remaining)
            headers[f"x-ratelimit-reset-{resource}"] = _duration(left.reset)
    return headers


def _duration(span: timedelta) -> str:
    """As Go writes them, and OpenAI does: `12ms`, `1s`, `1.5s`, `6m0s`, `1h0m0s`."""
    ms = span // timedelta(milliseconds=1)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest = divmod(ms, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"
