"""Is it ready? One short question over HTTP, and the reason in words when it is not."""

from collections.abc import Mapping
from typing import Final

import httpx

__all__ = ["NOT_ANSWERING", "ask", "new_prober"]

NOT_ANSWERING: Final = "does not answer yet"

_ANSWER_SECONDS: Final = 2.0


def new_prober() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False)


async def ask(prober: httpx.AsyncClient, url: str) -> str | None:
    """None when it is ready, else why not. Blocks for two seconds at most; raises nothing."""
    try:
        answer = await prober.get(url)
    except httpx.HTTPError:
        return NOT_ANSWERING
    if answer.is_success:
        return None
    return _reasons(answer) or f"answers {answer.status_code}"


def _reasons(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return ""
    missing = body.get("missing") if isinstance(body, dict) else None
    if not isinstance(missing, Mapping):
        return ""
    return "; ".join(f"{name}: {problem}" for name, problem in missing.items())
