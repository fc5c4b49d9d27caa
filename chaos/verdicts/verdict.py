"""What a check says: the claim, the figures it was computed from, and whatever speaks against it."""

from dataclasses import dataclass

__all__ = ["Finding", "Verdict"]


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    job: str | None = None
    """Whose history shows it."""

    def __str__(self) -> str:
        return f"{self.job}: {self.what}" if self.job else self.what


@dataclass(frozen=True, slots=True)
class Verdict:
    claim: str
    figure: str
    findings: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.findings
