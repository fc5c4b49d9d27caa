"""Always in the order of the configuration: the first is asked until it fails."""

from collections.abc import Sequence

from shared.config.schema import Deployment

__all__ = ["order"]


def order(deployments: Sequence[Deployment], turn: int) -> tuple[Deployment, ...]:  # noqa: ARG001
    return tuple(deployments)
