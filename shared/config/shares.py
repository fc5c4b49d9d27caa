"""What is a tenant's share of the workers, as the configuration says now?"""

from shared.config.schema import Config

__all__ = ["Shares"]


class Shares:
    """The same object as long as the process lives: what changes, changes in it."""

    def __init__(self, config: Config) -> None:
        self.weights: dict[str, int] = {}
        self.go_by(config)

    def go_by(self, config: Config) -> None:
        """For whatever comes from now on."""
        self._config = config
        self.weights.clear()
        self.weights.update(config.weights)

    def partitions_of(self, tenant: str) -> int | None:
        """How many of the batch lane are the tenant's; None is all of them."""
        return self._config.batch_partitions(tenant)
