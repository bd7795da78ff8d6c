"""Errors in, `application/problem+json` (RFC 9457) out: the one place that makes error answers."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from streams.errors import (
    BrokerUnavailableError,
    InvalidParameterError,
    OutdatedError,
    TidegateError,
)
from streams.schemas.base import Record

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5


class ApiError(TidegateError):
    """A request that is not answered as asked; ``status`` is the answer's."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class FieldProblem(Record, frozen=True, kw_only=True):
    """One field of a request that is not as it should be."""

    field: str
    """`body.replicas`, `query.limit`, ..."""
    message: str


class Problem(Record, frozen=True, kw_only=True, omit_defaults=False):
    """An error answer (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = ()
    """The fields at fault, where the request itself was malformed."""


def unknown(what: str, name: str, known: Sequence[str] = ()) -> ApiError:
    """404; says what there is, as far as that is short."""
    there_is = f"; there is {', '.join(known[:10])}" if known else ""
    return ApiError(HTTPStatus.NOT_FOUND, f"no {what} {name[:100]!r}{there_is}")


def status_of(error: TidegateError) -> HTTPStatus:
    match error:
        case ApiError():
            return error.status
        case InvalidParameterError():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case OutdatedError():
            return HTTPStatus.PRECONDITION_FAILED
        case BrokerUnavailableError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(
    status: int, detail: str, errors: Sequence[FieldProblem] = (), **headers: str
) -> Response:
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, errors=tuple(errors)
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(msgspec.json.encode(body), status, named, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Every error leaves the app as a problem."""
    app.add_exception_handler(TidegateError, _of_ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _unforeseen)


def _of_ours(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, TidegateError)  # noqa: S101 - that is what it is registered for
    status = status_of(error)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return problem(status, str(error), retry_after=str(RETRY_AFTER_S))
    return problem(status, str(error))


def _malformed(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = [_field_problem(one) for one in error.errors()]
    detail = "; ".join(f"{one.field}: {one.message}" for one in found[:5])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, found[:50])


def _field_problem(error: dict[str, Any]) -> FieldProblem:
    # What was sent is left out: a request may carry what must not come back.
    return FieldProblem(
        field=".".join(str(part) for part in error["loc"])[:200], message=str(error["msg"])[:500]
    )


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"nothing is at {request.url.path[:200]}"
    answer = problem(error.status_code, detail)
    answer.headers.update(error.headers or {})
    return answer


def _unforeseen(request: Request, error: Exception) -> Response:
    del request, error  # the server logs it; a stranger is told nothing
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of ours, which was logged")
