"""The table of reactions is whole, and an incomplete one cannot be made."""

import pytest

from services.router_worker.failures import FailureKind
from services.router_worker.resilience.reactions import REACTIONS, Blame, Reaction, Then, complete


def test_every_kind_of_failure_has_a_reaction() -> None:
    assert set(REACTIONS) == set(FailureKind)


def test_a_table_that_lacks_a_kind_is_refused_by_name() -> None:
    lacking = {kind: Reaction(Then.RETRY, Blame.NOBODY) for kind in FailureKind if kind is not FailureKind.STALL}
    with pytest.raises(TypeError, match="no reaction to stall"):
        complete(lacking)


@pytest.mark.parametrize(
    "kind", [FailureKind.BAD_REQUEST, FailureKind.CONTEXT_TOO_LONG, FailureKind.CONTENT_FILTER, FailureKind.TOO_LARGE]
)
def test_a_callers_mistake_does_not_speak_against_a_deployment(kind: FailureKind) -> None:
    assert REACTIONS[kind].blame is Blame.CALLER
