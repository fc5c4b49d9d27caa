"""Which exception is which problem: installed once, so that no route catches anything."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from services.ingress.api import problems
from services.ingress.ports import RecordTooLargeError, UnavailableError, UnconfirmedError

__all__ = ["install"]


def install(app: FastAPI) -> None:
    app.add_exception_handler(problems.ProblemError, _problem)
    app.add_exception_handler(UnavailableError, _unavailable)
    app.add_exception_handler(UnconfirmedError, _unconfirmed)
    app.add_exception_handler(RecordTooLargeError, _record_too_large)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, problems.ProblemError)  # noqa: S101 - starlette's handlers are typed for any exception
    return error.problem.response()


async def _unavailable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UnavailableError)  # noqa: S101
    return problems.of_unavailable(error).response()


async def _unconfirmed(_request: Request, _error: Exception) -> Response:
    return problems.unconfirmed().response()


async def _record_too_large(_request: Request, _error: Exception) -> Response:
    return problems.record_too_large().response()


async def _validation(_request: Request, error: Exception) -> Response:
    """Of query parameters; bodies are read by admission."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    return problems.bad_parameter(str(first["loc"][-1]), str(first["msg"])).response()


async def _fault(_request: Request, _error: Exception) -> Response:
    """Only its answer: the framework raises the fault on, and the edge tells it to the log."""
    return problems.internal().response()


async def _http(request: Request, error: Exception) -> Response:
    """What the router itself says."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 405:
        return problems.method_not_allowed(request.method, request.url.path, _allowed(request)).response()
    return problems.no_such_path(request.method, request.url.path).response()


def _allowed(request: Request) -> str:
    """Of all routes with this path: the router itself names only the first one's method."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in matching for method in route.methods or ()}))
