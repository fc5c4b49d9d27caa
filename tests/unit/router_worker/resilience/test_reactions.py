"""The table of reactions is whole, and blames whom it should."""

import pytest

from services.router_worker.failures import FailureKind
from services.router_worker.resilience.reactions import REACTIONS, Blame


def test_every_kind_of_failure_has_a_reaction() -> None:
    assert set(REACTIONS) == set(FailureKind)


@pytest.mark.parametrize(
    "kind", [FailureKind.BAD_REQUEST, FailureKind.CONTEXT_TOO_LONG, FailureKind.CONTENT_FILTER, FailureKind.TOO_LARGE]
)
def test_a_callers_mistake_does_not_speak_against_a_deployment(kind: FailureKind) -> None:
    assert REACTIONS[kind].blame is Blame.CALLER


@pytest.mark.parametrize(
    "kind", [FailureKind.RATE_LIMITED, FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.QUOTA_EXHAUSTED]
)
def test_what_only_concerns_an_account_is_held_against_its_key(kind: FailureKind) -> None:
    assert REACTIONS[kind].blame is Blame.KEY
