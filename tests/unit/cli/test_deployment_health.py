"""What several workers say of a deployment, in one line."""

from datetime import UTC, datetime, timedelta

from cli.deployment_health import is_callable, together
from shared.load import DeploymentHealth

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_the_worst_that_a_worker_finds_counts_and_calls_are_added_up() -> None:
    well = DeploymentHealth(calls=10, failures=1, running=2, waiting=1, first_token_seconds=0.2)
    ill = DeploymentHealth(
        state="open", until=NOW, because="connect", calls=5, failures=5, keys=0, first_token_seconds=0.4
    )
    both = together([{"p/a": well}, {"p/a": ill}])["p/a"]
    assert (both.state, both.until, both.because, both.keys) == ("open", NOW, "connect", 0)
    assert (both.calls, both.failures, both.running, both.waiting) == (15, 6, 2, 1)
    assert both.first_token_seconds is not None
    assert abs(both.first_token_seconds - 0.3) < 1e-9


def test_a_deployment_that_one_worker_does_not_know_is_shown_as_the_others_see_it() -> None:
    assert together([{}, {"p/a": DeploymentHealth(calls=3)}]) == {"p/a": DeploymentHealth(calls=3)}


def test_what_has_no_key_or_a_time_to_wait_for_is_not_called() -> None:
    assert is_callable(DeploymentHealth(), NOW)
    assert not is_callable(DeploymentHealth(keys=0), NOW)
    assert not is_callable(DeploymentHealth(until=NOW + timedelta(seconds=1)), NOW)
    assert is_callable(DeploymentHealth(until=NOW), NOW)
