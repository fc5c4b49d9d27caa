"""The table of provider failures: what each means, what the journey does about it, what the caller is told at last."""

from typing import Final

from docs.generators.docstrings import field_docs
from docs.generators.markdown import code, table
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.outcome import job_error
from services.router_worker.resilience.reactions import REACTIONS, Then

__all__ = ["section"]

_NOBODY: Final = {Then.GIVE_UP: "Nobody: the job fails.", Then.EXPIRE: "Nobody: the job expires."}


def section() -> str:
    meanings = field_docs(FailureKind)
    failures = table(
        ("failure", "meaning", "reaction", "held against", "told when it was the last"),
        [
            (code(kind), meanings.get(kind.name, ""), code(REACTIONS[kind].then), REACTIONS[kind].blame, _told(kind))
            for kind in sorted(FailureKind)
        ],
    )
    words = field_docs(Then)
    reactions = table(
        ("reaction", "who is asked next"), [(code(then), words.get(then.name) or _NOBODY[then]) for then in Then]
    )
    return f"{failures}\n\n{reactions}"


def _told(kind: FailureKind) -> str:
    error = job_error(Failure(kind, ""))
    return f"{error.status_code} {code(error.code or error.type)}"
