"""Which models are asked for, and how may a job of each end? Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.contracts import JobStatus

__all__ = ["FATES", "Model"]


class Model:
    """The names that are asked for."""

    BRISK: Final = "brisk"
    """Over in a second."""
    STORY: Final = "story"
    """A stream of some seconds."""
    EPIC: Final = "epic"
    """Longer than a worker that drains is given."""
    SHAKY: Final = "shaky"
    """Whose provider breaks in every way it can."""
    WRONG: Final = "wrong"
    """That the provider refuses for good."""
    LATE: Final = "late"
    """That cannot be answered within its deadline."""


_SUCCEEDS: Final = frozenset({JobStatus.SUCCEEDED})
FATES: Final[Mapping[str, frozenset[JobStatus]]] = MappingProxyType(
    {
        Model.BRISK: _SUCCEEDS,
        Model.STORY: _SUCCEEDS,
        Model.EPIC: _SUCCEEDS,
        Model.SHAKY: _SUCCEEDS,
        Model.WRONG: frozenset({JobStatus.FAILED}),
        # A retry that could only begin after the deadline is not waited for: that ends as the failure it had.
        Model.LATE: frozenset({JobStatus.EXPIRED, JobStatus.FAILED}),
    }
)
"""How a job of each model may end."""
