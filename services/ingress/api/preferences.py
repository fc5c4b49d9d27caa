"""How does the caller want to be answered? The `Prefer` header of RFC 7240, as far as it concerns waiting. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Preference", "read_preference"]

_LONGEST_WAIT: Final = 600


@dataclass(frozen=True, slots=True)
class Preference:
    respond_async: bool = False
    """202 at once, or after `wait`."""
    wait: int | None = None
    """Seconds to wait for the answer before it becomes a 202."""

    @property
    def applied(self) -> str | None:
        """The value of `Preference-Applied`; None when nothing was preferred."""
        names = ["respond-async"] if self.respond_async else []
        names += [f"wait={self.wait}"] if self.wait is not None else []
        return ", ".join(names) or None


def read_preference(headers: Sequence[str]) -> Preference:
    """What is unknown or makes no sense is passed over, as the RFC asks."""
    respond_async, wait = False, None
    for item in (item for header in headers for item in header.split(",")):
        name, _, value = item.partition(";")[0].partition("=")
        value = value.strip().strip('"')
        match name.strip().lower():
            case "respond-async":
                respond_async = True
            case "wait" if wait is None and value.isascii() and value.isdigit() and len(value) <= 9:
                wait = min(int(value), _LONGEST_WAIT)
            case _:
                pass
    return Preference(respond_async, wait)
