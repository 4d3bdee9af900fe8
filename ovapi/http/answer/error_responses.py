"""Failures: how an error looks in OpenAI's API, and which error stands for a foreign exception."""

from __future__ import annotations

from typing import Any, NoReturn

from ovapi.errors import (
    ApiError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    UnsupportedMediaType,
)


def openai_error(error: ApiError) -> dict[str, Any]:
    """The error object of OpenAI's API."""
    detail = {"message": error.message, "type": error.type, "param": error.param}
    return {"error": {**detail, "code": error.code}}


def refuse(param: str, problem: str, code: str = "invalid_value") -> NoReturn:
    """Raise InvalidRequest; `problem` goes on from the parameter's name, without a full stop."""
    raise InvalidRequest(f"'{param}' {problem}.", param=param, code=code)


def foreign(status: int) -> ApiError:
    """What stands for an exception that is none of ours: Tornado's own, or a fault here."""
    match status:
        case 404:
            return NotFound("Unknown endpoint. GET / lists the endpoints.")
        case 405:
            return MethodNotAllowed("Method not allowed.")
        case 415:
            return UnsupportedMediaType("The Content-Type must be application/json.")
        case 400 | 401 | 403:
            return InvalidRequest("Malformed request.")
    return ApiError("Internal server error.", code="server_error")
