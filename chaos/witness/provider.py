"""What does the provider say that it served? Its own log, a line per call that has ended."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import aiohttp
import orjson

from chaos.bench.processes import fingerprint
from chaos.facts import Call, Life

__all__ = ["calls_served", "calls_under_way"]


def calls_served(log: Path, lives: Iterable[Life]) -> tuple[Call, ...]:
    names = {fingerprint(life.name): life.name for life in lives}
    return tuple(_call(orjson.loads(line), names) for line in log.read_bytes().splitlines())


async def calls_under_way(simulator_url: str) -> int:
    """Raises aiohttp.ClientError when it does not answer."""
    async with aiohttp.ClientSession() as client, client.get(f"{simulator_url}/_sim/totals") as answer:
        return int((await answer.json())["in_flight"])


def _call(line: Mapping[str, object], names: Mapping[str, str]) -> Call:
    return Call(
        attempt_id=_text(line["client_request_id"]),
        life=names.get(str(line["api_key"])),
        started_at=_number(line["started_at"]),
        ended_at=_number(line["ended_at"]),
        finished=str(line["finished"]),
        fault=_text(line["fault"]),
        status=None if line["status"] is None else int(_number(line["status"])),
        input_tokens=int(_number(line["prompt_tokens"])),
        output_tokens=int(_number(line["output_tokens"])),
        reported=line["output_tokens_reported"] is not None,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return value
    raise TypeError(f"not a number: {value!r}")
