"""What submitters and readers bring home."""

from dataclasses import dataclass, field

from chaos.facts import Submission, Transcript

__all__ = ["Notebook"]


@dataclass(slots=True)
class Notebook:
    submissions: list[Submission] = field(default_factory=list)
    transcripts: list[Transcript] = field(default_factory=list)
