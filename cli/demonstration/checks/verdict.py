"""What a check says: the claim, what was found, and whatever speaks against it. Without a fault the claim holds."""

from dataclasses import dataclass

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    claim: str
    finding: str
    """The figures it was computed from."""
    faults: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.faults
