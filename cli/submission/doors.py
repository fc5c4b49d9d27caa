"""Which door is it, and what goes with it: how its jobs are waited for, and what makes a submission another one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

from cli.environment import Environment
from cli.gateway import Gateway
from cli.submission.door import Door
from cli.submission.http_door import HttpDoor
from cli.submission.topic_door import TopicDoor
from cli.submission.waiting import GatewayWait, TopicWait, Wait
from shared.config import ConfigError, load_config, public_id
from shared.errors import OperatorError
from shared.topics import SUBMIT

__all__ = ["DOORS", "Manner", "Opened"]


@dataclass(frozen=True, slots=True)
class Manner:
    """How the command line wants the lines to be taken."""

    model: str | None
    lane: str | None
    feature: str | None
    key: str | None
    waits: bool

    def wishes(self, prefix: str) -> dict[str, str]:
        """As headers, which both doors understand."""
        asked = {"lane": self.lane, "feature": self.feature}
        return {f"{prefix}{name}": text for name, text in asked.items() if text is not None}


@dataclass(frozen=True, slots=True)
class Opened:
    door: Door
    wait: Wait
    destination: str
    """Two submissions of a file that differ in it are two."""


@contextmanager
def _gateway(environment: Environment, manner: Manner) -> Iterator[Opened]:
    with Gateway(environment, manner.key) as gateway:
        models = gateway.models()  # tells a wrong address or key before the first line is sent
        if manner.model is not None and manner.model not in models:
            raise OperatorError(f"This key may not ask for the model {manner.model!r}; it may for {', '.join(models)}.")
        destination = f"{environment.gateway.value} {manner.model} {manner.lane} {manner.feature}"
        yield Opened(HttpDoor(gateway, manner.wishes("x-sluice-")), GatewayWait(gateway), destination)


@contextmanager
def _topic(environment: Environment, manner: Manner) -> Iterator[Opened]:
    topic, key = SUBMIT.at(environment.topic_prefix), None
    try:
        config = load_config(environment.config, environment.variables)
        bound = config.submit_topics.get(SUBMIT.name)
    except ConfigError as error:
        # A producer needs no configuration; it only cannot know which jobs its records become.
        if manner.waits:
            raise OperatorError(f"--wait needs the configuration, to know whose topic it is.\n{error}") from error
        tenant = None
    else:
        if bound is None:
            raise OperatorError(
                f"{environment.config} binds the topic {SUBMIT.name} to no caller: add it to submit_topics."
            )
        tenant = bound.tenant
        if bound.signed:
            key = _signing_key(environment, manner)
            tenant = next((name for name, each in config.tenants.items() if public_id(key) in each.keys), None)
            if manner.waits and tenant is None:
                raise OperatorError("--wait needs a key of the configuration, to know which jobs its records become.")
    headers = [(name, text.encode()) for name, text in manner.wishes("sluice-").items()]
    door = TopicDoor(environment.kafka, topic, headers, tenant, key)
    wait = TopicWait(environment.kafka, environment.topic_prefix)
    yield Opened(door, wait, f"{environment.kafka.value} {topic} {manner.model} {manner.lane} {manner.feature}")


def _signing_key(environment: Environment, manner: Manner) -> str:
    """Raises OperatorError."""
    key = manner.key or (environment.key.value if environment.key else "")
    if public_id(key) is None:
        raise OperatorError(f"The records of {SUBMIT.name} are signed: set SLUICE_API_KEY to the key that signs them.")
    return key


DOORS: Final[dict[str, Callable[[Environment, Manner], AbstractContextManager[Opened]]]] = {
    "http": _gateway,
    "topic": _topic,
}
