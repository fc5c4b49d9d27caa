"""What a caller learns of whether a model can be served now."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingress.availability import Availability, Available, ModelHealth
from shared.config.schema import Model
from shared.load import DeploymentHealth, WorkerLoad

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER, LATEST = NOW + timedelta(seconds=5), NOW + timedelta(seconds=9)
WELL = DeploymentHealth()
MODELS = {
    "large": Model.model_validate({"deployments": [{"provider": "a"}, {"provider": "b", "model": "l"}]}),
    "safe": Model.model_validate({"deployments": [{"provider": "a"}], "fallbacks": ["large"]}),
}


def shut(until: datetime) -> DeploymentHealth:
    return DeploymentHealth(state="open", until=until, because="connect")


def told(*workers: dict[str, DeploymentHealth]) -> Availability:
    availability = Availability(MODELS)
    availability.told([WorkerLoad(beat=1, lanes={}, deployments=each) for each in workers])
    return availability


def test_a_model_is_available_as_long_as_one_worker_would_call_one_of_its_deployments() -> None:
    seen = told({"a/large": shut(LATER), "b/l": shut(LATER)}, {"a/large": shut(LATER), "b/l": WELL})
    assert seen.of("large", NOW) == ModelHealth(Available.YES)


def test_when_none_is_called_it_says_when_the_first_may_be_again() -> None:
    seen = told({"a/large": shut(LATEST), "b/l": shut(LATER)})
    assert seen.of("large", NOW) == ModelHealth(Available.NOT_NOW, LATER)
    assert seen.of("large", LATER) == ModelHealth(Available.YES)


def test_a_fallback_that_would_answer_is_told_apart() -> None:
    seen = told({"a/safe": shut(LATER), "b/l": WELL})
    assert seen.of("safe", NOW) == ModelHealth(Available.BY_FALLBACK, LATER)


@pytest.mark.parametrize("model", ["large", "of another configuration"])
def test_without_a_word_from_a_worker_nobody_knows(model: str) -> None:
    assert told().of(model, NOW) == ModelHealth(Available.UNKNOWN)


def test_what_was_told_is_forgotten_when_nobody_can_tell() -> None:
    seen = told({"a/large": WELL})
    seen.unknown()
    assert seen.of("large", NOW) == ModelHealth(Available.UNKNOWN)
