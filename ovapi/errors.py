"""The error tree: what can go wrong with a request, and how each case looks on the wire.

    ApiError                      500 server_error
    ├── InvalidRequest            400 invalid_request_error  code invalid_value
    │   ├── UnsupportedParameter      code unsupported_parameter
    │   └── ContextLengthExceeded     code context_length_exceeded
    ├── AuthenticationFailed      401 authentication_error   code invalid_api_key
    ├── PermissionDenied          403 permission_error       code permission_denied
    ├── NotFound                  404 not_found_error        code unknown_endpoint
    │   └── ModelNotFound             code model_not_found
    ├── MethodNotAllowed          405 invalid_request_error
    ├── PayloadTooLarge           413 invalid_request_error
    ├── UnsupportedMediaType      415 invalid_request_error
    ├── RateLimited               429 rate_limit_error       Retry-After
    │   ├── TooManyAtOnce             code concurrency_limit_exceeded
    │   └── QueueFull                 code queue_full
    ├── EngineFailed              500 server_error           code engine_failed
    ├── DeadlineExceeded          504 timeout_error          code deadline_exceeded
    └── Unavailable               503 overloaded_error       Retry-After
        ├── ModelLoading              code model_loading
        ├── ModelFailed               code model_failed
        ├── NoMemory                  code no_memory
        ├── QueueTimeout              code queue_timeout
        ├── NoRoomForBody             code no_room_for_body
        ├── TooManyConnections        code too_many_connections
        └── Draining                  code server_draining

Errors are raised where they are known and mapped to bytes once, by the dialect. A message never
holds a path of the machine or a trace: it goes to the client as it is.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A failure that the client is told about; ``str(error)`` is the client's message."""

    status = 500
    type = "server_error"
    code: str | None = None
    retry_after: int | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.param = param
        self.code = code if code is not None else type(self).code
        self.retry_after = retry_after if retry_after is not None else type(self).retry_after

    @property
    def message(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross the pipe between engine and server process."""
        return (_rebuild, (type(self), self.message, self.param, self.code, self.retry_after))


def _rebuild(
    kind: type[ApiError], message: str, param: str | None, code: str | None, retry: int | None
) -> ApiError:
    return kind(message, param=param, code=code, retry_after=retry)


class InvalidRequest(ApiError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


class UnsupportedParameter(InvalidRequest):
    code = "unsupported_parameter"


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"


class AuthenticationFailed(ApiError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class PermissionDenied(ApiError):
    status = 403
    type = "permission_error"
    code = "permission_denied"


class NotFound(ApiError):
    status = 404
    type = "not_found_error"
    code = "unknown_endpoint"


class ModelNotFound(NotFound):
    code = "model_not_found"


class MethodNotAllowed(ApiError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"


class PayloadTooLarge(ApiError):
    status = 413
    type = "invalid_request_error"
    code = "payload_too_large"


class UnsupportedMediaType(ApiError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class RateLimited(ApiError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    retry_after = 1


class TooManyAtOnce(RateLimited):
    code = "concurrency_limit_exceeded"


class QueueFull(RateLimited):
    code = "queue_full"


class EngineFailed(ApiError):
    code = "engine_failed"


class DeadlineExceeded(ApiError):
    status = 504
    type = "timeout_error"
    code = "deadline_exceeded"


class Unavailable(ApiError):
    status = 503
    type = "overloaded_error"
    retry_after = 2


class ModelLoading(Unavailable):
    code = "model_loading"


class ModelFailed(Unavailable):
    code = "model_failed"
    retry_after = 30


class NoRoomForBody(Unavailable):
    code = "no_room_for_body"


class TooManyConnections(Unavailable):
    code = "too_many_connections"


class NoMemory(Unavailable):
    """Nothing that is loaded can make way for the model."""

    code = "no_memory"
    retry_after = 10


class QueueTimeout(Unavailable):
    code = "queue_timeout"
    retry_after = 10


class Draining(Unavailable):
    code = "server_draining"
    retry_after = 5
