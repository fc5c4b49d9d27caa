"""Posts alerts where somebody wants them, signed as standardwebhooks.com says.

A webhook that does not answer holds up neither the ledger nor the topic: it is given up for an alert after a few tries,
and the log says so.
"""

import asyncio
from typing import Final

import httpx
import structlog
from standardwebhooks import Webhook

from shared.clock import Clock
from shared.contracts import Alert

__all__ = ["WebhookEar"]

log = structlog.get_logger("accounting")

_TRIES: Final = 3
_PAUSE_SECONDS: Final = 1.0
_CALL_SECONDS: Final = 5.0


class WebhookEar:
    def __init__(self, url: str, secret: str, clock: Clock, *, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self._url = url
        self._key = Webhook(secret)
        self._clock = clock
        self._pause_seconds = pause_seconds

    async def hear(self, alert: Alert) -> None:
        """Raises nothing."""
        async with httpx.AsyncClient(timeout=_CALL_SECONDS) as client:
            for number in range(_TRIES):
                await asyncio.sleep(self._pause_seconds * number**2)
                trouble = await self._post(client, alert.id, alert.to_bytes())
                if trouble is None:
                    return
                log.info("webhook_failed", alert=alert.id, reason=trouble)
        log.error("webhook_given_up", alert=alert.id, url=self._url)

    async def _post(self, client: httpx.AsyncClient, name: str, body: bytes) -> str | None:
        """What went wrong."""
        try:
            answer = await client.post(self._url, content=body, headers=self._headers(name, body))
        except httpx.HTTPError as error:
            return repr(error)
        return None if answer.is_success else f"status {answer.status_code}"

    def _headers(self, name: str, body: bytes) -> dict[str, str]:
        now = self._clock()
        return {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._key.sign(name, now, body.decode()),
        }
