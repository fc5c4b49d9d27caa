"""Which topics should there be? Those of the table, and those that a configuration binds to callers."""

from dataclasses import replace

from shared.config import Config
from shared.topics import SUBMIT, TOPICS, Topic

__all__ = ["topics_for"]


def topics_for(config: Config | None) -> tuple[Topic, ...]:
    """A bound topic is made as the usual submit topic is."""
    bound = config.submit_topics if config else {}
    return (*TOPICS, *(replace(SUBMIT, name=name) for name in bound if name != SUBMIT.name))
