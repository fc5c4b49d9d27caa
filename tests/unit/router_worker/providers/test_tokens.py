"""A token is fetched when it is needed, kept as long as it is good, and never fetched twice at once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.router_worker.failures import FailureKind
from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.signing import NoCredentialsError
from services.router_worker.providers.tokens import Token, Tokens

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = HttpCall("http://p.test", {"content-type": "application/json"}, b"{}")


class Service:
    """Gives tokens that are good for an hour, unless it is away."""

    def __init__(self) -> None:
        self.now = NOON
        self.given = 0
        self.away = False

    async def fetch(self) -> Token:
        await asyncio.sleep(0)
        if self.away:
            raise NoCredentialsError("away", FailureKind.CONNECT)
        self.given += 1
        return Token(f"token-{self.given}", self.now + timedelta(hours=1))

    async def close(self) -> None:
        pass


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def tokens(service: Service) -> Tokens:
    return Tokens(service.fetch, lambda: service.now, service.close)


async def proof(tokens: Tokens) -> str:
    return (await tokens.sign(CALL)).headers["authorization"]


async def test_a_call_gets_the_token_beside_its_own_headers(tokens: Tokens) -> None:
    signed = await tokens.sign(CALL)
    assert signed.headers == {"content-type": "application/json", "authorization": "Bearer token-1"}


async def test_a_token_is_kept_until_shortly_before_its_end(service: Service, tokens: Tokens) -> None:
    assert await proof(tokens) == "Bearer token-1"
    service.now += timedelta(minutes=54)
    assert await proof(tokens) == "Bearer token-1"
    service.now += timedelta(minutes=2)
    assert await proof(tokens) == "Bearer token-2"


async def test_many_calls_at_once_fetch_one_token(service: Service, tokens: Tokens) -> None:
    assert set(await asyncio.gather(*(proof(tokens) for _ in range(20)))) == {"Bearer token-1"}
    assert service.given == 1


async def test_an_old_token_serves_to_its_end_when_there_is_no_new_one(service: Service, tokens: Tokens) -> None:
    await proof(tokens)
    service.away = True
    service.now += timedelta(minutes=58)
    assert await proof(tokens) == "Bearer token-1"
    service.now += timedelta(minutes=2)
    with pytest.raises(NoCredentialsError, match="away"):
        await proof(tokens)
