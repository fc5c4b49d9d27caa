"""A provider that could not be asked for all of a request is not asked, and whoever wonders is told why."""

from functools import partial
from typing import Any

from services.router_worker.providers.transport import Providers
from services.router_worker.routing.asked import Asked
from services.router_worker.routing.odds import Lot
from services.router_worker.routing.plan import Plan, plan
from shared.clock import utc_now
from shared.config.schema import Config
from shared.contracts import BlobRef
from tests.suites.provider_calls import a_job

CONFIG = Config.model_validate(
    {
        "providers": {
            "claude": {"dialect": "anthropic", "base_url": "http://claude.test/v1"},
            "groq": {"dialect": "groq", "base_url": "http://groq.test/v1"},
            "openai": {"base_url": "http://openai.test/v1"},
        },
        "models": {
            "m": {"deployments": [{"provider": "claude"}, {"provider": "groq"}, {"provider": "openai"}]},
            "only-claude": {"deployments": [{"provider": "claude"}]},
        },
    }
)


def planned(model: str = "m", **body: Any) -> Plan:
    return plan(CONFIG, Asked(model), Lot(), partial(Providers(CONFIG.providers, utc_now).lacks, a_job(**body)))


def test_everybody_is_asked_for_what_everybody_has() -> None:
    assert [candidate.provider for candidate in planned(temperature=0.5).candidates] == ["claude", "groq", "openai"]


def test_who_has_no_words_for_it_is_left_out_and_says_so() -> None:
    made = planned(logprobs=True)
    assert [candidate.provider for candidate in made.candidates] == ["openai"]
    assert [(skipped.name, skipped.reason) for skipped in made.skipped] == [
        ("claude/m", "'logprobs' is nothing that Anthropic could be asked for"),
        ("groq/m", "'logprobs' is not heeded by this server"),
    ]


def test_a_request_that_is_not_here_yet_is_looked_at_when_it_comes() -> None:
    job = a_job(logprobs=True).model_copy(update={"body": {}, "body_blob": BlobRef(key="k", size=1)})
    made = plan(CONFIG, Asked("only-claude"), Lot(), partial(Providers(CONFIG.providers, utc_now).lacks, job))
    assert [candidate.provider for candidate in made.candidates] == ["claude"]
