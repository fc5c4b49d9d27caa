"""How does a person write a moment or a duration on the command line, and how are they shown?"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["ago", "brief_duration", "parse_duration", "parse_since"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_duration(text: str) -> timedelta:
    """`90s`, `15m`, `1h30m`, `7d`, `2w`, or bare seconds. Raises ValueError with a sentence for the user."""
    text = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return timedelta(seconds=float(text))
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration: write 90s, 15m, 1h30m or 7d")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def parse_since(text: str, now: datetime) -> datetime:
    """A duration before `now`, `now` itself, or a date or time of ISO 8601, which is UTC when it names no zone."""
    if text.strip().lower() == "now":
        return now
    try:
        return now - parse_duration(text)
    except OverflowError:
        raise ValueError(f"{text!r} is too long ago") from None
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no moment: write 7d, 90m, 2026-11-01 or 2026-11-01T08:30:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def brief_duration(span: timedelta) -> str:
    """With one digit of care: `0.4s`, `12s`, `3m05s`, `2h10m`, `4d3h`."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes}m{rest:02}s"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h" if days else f"{hours}h{minutes:02}m"


def ago(moment: datetime, now: datetime) -> str:
    return f"{brief_duration(now - moment)} ago"
