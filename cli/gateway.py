"""How does a command ask the gateway? The one place of the command line that speaks HTTP; errors become sentences."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from cli.environment import Environment, Known
from services.ingress.api.schemas import ErrorBody, JobList, JobObject, LineAnswer, ModelList
from services.router_worker.providers.sse import ServerSentEvent, SseDecoder
from shared.errors import OperatorError

__all__ = ["Gateway", "GatewayAwayError", "RefusedError", "UnansweredError", "parsed"]

_TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)

_SILENCE_SECONDS: Final = 45.0
"""A stream that says nothing for longer than several of its pings is dead."""

Body = TypeVar("Body", bound=BaseModel)


class GatewayAwayError(OperatorError):
    """Nothing was done: it cannot be reached, or says that it cannot work now. Trying again may help."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnansweredError(OperatorError):
    """The connection broke after the request was sent: nobody here knows what came of it."""


class RefusedError(OperatorError):
    """The gateway understood and said no."""

    def __init__(self, status: int, message: str, code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Gateway:
    """A connection pool for a `with` block, which several threads may share. Every method may raise the above."""

    def __init__(self, environment: Environment, key: str | Known | None) -> None:
        self._at = environment.gateway
        found = Known(key, "--key") if isinstance(key, str) and key else key or environment.key
        if found is None:
            raise OperatorError(
                "No API key is known: start the stack with `sluice up`, set SLUICE_API_KEY, or pass one with --key."
            )
        self._key = found
        headers = {"authorization": f"Bearer {found.value}", "user-agent": "sluice-cli"}
        self._client = httpx.Client(base_url=self._at.value, headers=headers, timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def models(self) -> list[str]:
        """The models this key may ask for."""
        return [model.id for model in parsed(ModelList, self._ask("GET", "/v1/models")).data]

    def job(self, job: str) -> JobObject:
        return parsed(JobObject, self._ask("GET", f"/v1/jobs/{job}"))

    def jobs(self, *, limit: int, after: str | None = None, status: str | None = None) -> JobList:
        asked = {"limit": str(limit), "after": after, "status": status}
        found = self._ask("GET", "/v1/jobs", params={name: text for name, text in asked.items() if text})
        return parsed(JobList, found)

    def cancel(self, job: str) -> JobObject:
        return parsed(JobObject, self._ask("POST", f"/v1/jobs/{job}/cancel"))

    def submit_lines(self, lines: Sequence[bytes], headers: Mapping[str, str]) -> list[LineAnswer]:
        """An answer for each line, unless the connection breaks in between: then for the first of them."""
        body = b"\n".join(lines) + b"\n"
        sent = self._ask("POST", "/v1/jobs", content=body, headers={**headers, "content-type": "application/jsonl"})
        return [LineAnswer.model_validate_json(line) for line in sent.content.splitlines() if line.strip()]

    def events(self, job: str, after: str | None) -> Iterator[ServerSentEvent]:
        """What the job's log has behind `after`, and all that follows. Ends when the gateway ends the stream."""
        headers = {"accept": "text/event-stream", **({"last-event-id": after} if after else {})}
        timeout = httpx.Timeout(_SILENCE_SECONDS, connect=5.0)
        decoder = SseDecoder()
        with (
            self._told(),
            self._client.stream("GET", f"/v1/jobs/{job}/events", headers=headers, timeout=timeout) as stream,
        ):
            if not stream.is_success:
                stream.read()
                raise self._refusal(stream)
            if stream.status_code == httpx.codes.NO_CONTENT:
                raise OperatorError(f"{job} has ended, and there is nothing behind {after}; leave --after out.")
            for packet in stream.iter_bytes():
                yield from decoder.feed(packet)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        with self._told():
            answer = self._client.request(method, path, params=params, content=content, headers=headers)
        if not answer.is_success:
            raise self._refusal(answer)
        return answer

    @contextmanager
    def _told(self) -> Iterator[None]:
        place = f"{self._at.value} ({self._at.source})"
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise OperatorError(f"{place} is no URL of a gateway: {error}") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise GatewayAwayError(
                f"No gateway answers at {place}: start one with `sluice up`, or set SLUICE_URL."
            ) from error
        except httpx.TransportError as error:
            raise UnansweredError(f"The connection to {place} broke: {str(error) or type(error).__name__}.") from error

    def _refusal(self, answer: httpx.Response) -> OperatorError:
        try:
            error = ErrorBody.model_validate_json(answer.content).error
        except ValidationError:
            return OperatorError(f"{self._at.value} ({self._at.source}) answers {answer.status_code}: is it a Sluice?")
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return OperatorError(f"The key of {self._key.source} is not accepted at {self._at.value}: {error.message}")
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return GatewayAwayError(error.message, _seconds(answer.headers.get("retry-after")))
        return RefusedError(answer.status_code, error.message, error.code)


def parsed(body: type[Body], answer: httpx.Response) -> Body:
    try:
        return body.model_validate_json(answer.content)
    except ValidationError as error:
        raise OperatorError(f"{answer.request.url} does not answer as this version of Sluice does.") from error


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
