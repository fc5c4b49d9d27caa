"""How is a token that expires kept ready? Fetched at the first need, and again before its end, by one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.router_worker.providers.dialect import HttpCall
from services.router_worker.providers.signing import NoCredentialsError
from shared.clock import Clock

__all__ = ["Token", "Tokens"]

_EARLY: Final = timedelta(minutes=5)
"""A new one is fetched so long before the old one's end: when that fails, the old one still serves."""


class Token(NamedTuple):
    text: str
    expires_at: datetime


class Tokens:
    """`signing.Credentials` by a bearer token in `authorization`."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Token]], clock: Clock, close: Callable[[], Awaitable[None]]
    ) -> None:
        """`fetch` raises NoCredentialsError."""
        self._fetch = fetch
        self._clock = clock
        self._close = close
        self._token: Token | None = None
        self._one_at_a_time = asyncio.Lock()

    async def sign(self, call: HttpCall) -> HttpCall:
        token = self._good()
        if token is None:
            async with self._one_at_a_time:
                token = self._good() or await self._fresh()
        return replace(call, headers={**call.headers, "authorization": f"Bearer {token.text}"})

    async def close(self) -> None:
        await self._close()

    def _good(self) -> Token | None:
        token = self._token
        return token if token is not None and token.expires_at - self._clock() > _EARLY else None

    async def _fresh(self) -> Token:
        try:
            self._token = await self._fetch()
        except NoCredentialsError:
            if self._token is None or self._token.expires_at <= self._clock():
                raise
        return self._token
