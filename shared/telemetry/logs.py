"""How does a process tell what happened? One JSON object a line on stderr, with the ids of the job it happened to.

Code logs events, not sentences: `log.info("attempt_failed", kind=kind)`. Ids are bound once, with `bound(job_id=…)`,
and stand on every line below, those of libraries included. No secret reaches the stream: the finished line is searched
for what a secret looks like, because a secret may hide in a library's message or in a traceback.
"""

import logging
import re
import sys
from contextlib import AbstractContextManager
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.errors import OperatorError
from shared.telemetry.repeats import Repeats

__all__ = ["LEVELS", "bound", "configure_logging", "without_secrets"]

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_TALKATIVE: Final = ("aiokafka", "asyncio", "faststream", "httpx", "httpcore", "sqlalchemy", "alembic", "uvicorn")
"""Libraries that are heard from `warning` on, unless the level is `debug`."""

_SECRETS: Final = re.compile(
    r"""
      (?P<slk>\bsl[ka]_[A-Za-z0-9._:/@+-]+?_)[A-Za-z0-9]{20,}             # our own keys: the public id stays readable
    | (?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{6,}          # an Authorization header
    | (?P<sk>\bsk-)[A-Za-z0-9_-]{12,}                                  # keys of the best known providers
    | (?P<user>://[^\s:/@"']*:)[^\s/@"']+(?=@)                         # a password inside a URL
    | (?P<query>[?&](?:api[-_]?key|key|token|sig(?:nature)?)=)[^&\s"']+ # a key inside a URL
    | (?P<field>["'](?:x-)?(?i:api[-_]?key|authorization|password|secret)\\?["']:\s?\\?["'])[^"'\\]+
    """,
    re.VERBOSE,
)

_HINTS: Final = (
    "slk_",
    "sla_",
    "sk-",
    "bearer",
    "basic",
    "key",
    "token=",
    "sig",
    "authorization",
    "password",
    "secret",
    "@",
)
"""A text without any of these, in lower case, holds nothing that the pattern finds: nearly all lines take this way."""


def configure_logging(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers to `stream` (stderr). Called once, when the process starts."""
    if level.lower() not in LEVELS:
        raise OperatorError(f"the log level {level!r} is none of {', '.join(LEVELS)}")
    threshold = LEVELS[level.lower()]
    out = stream or sys.stderr

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _named(service),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )

    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    if threshold > logging.DEBUG:
        handler.addFilter(Repeats())
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    _route_libraries(threshold)


def bound(**ids: str) -> AbstractContextManager[object]:
    """Every line logged inside carries these ids: `with bound(job_id=job.id): …`. Tasks started inside inherit them."""
    return structlog.contextvars.bound_contextvars(**ids)


def without_secrets(text: str) -> str:
    """The same text with everything that looks like a secret replaced."""
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    return _SECRETS.sub(lambda match: f"{match[match.lastgroup or 0]}***", text)


def _route_libraries(threshold: int) -> None:
    """Some libraries bring handlers of their own: take these away, so that everything goes through the root."""
    quiet = threshold if threshold == logging.DEBUG else max(threshold, logging.WARNING)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(quiet)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _TALKATIVE:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True


def _named(service: str) -> Processor:
    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add_service


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    line: dict[str, Any] = {field: event.pop(field, None) for field in ("at", "level", "event")}
    line |= event
    return without_secrets(orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode())
