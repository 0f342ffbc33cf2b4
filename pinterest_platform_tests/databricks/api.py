"""What the parts of the workspace share: requests, answers, and errors as Databricks words them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """An API request; ``path`` is decoded, ``body`` is as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    json: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An answer: JSON, or content as it is."""

    status: int = 200
    json: dict[str, Any] | None = None
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An error that the API answers."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def answer(self) -> Answer:
        """As it goes out."""
        return Answer(self.status, {"error_code": self.code, "message": str(self)})


def invalid(message: str) -> ApiError:
    """What is wrong with a request."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str, code: str = "RESOURCE_DOES_NOT_EXIST") -> ApiError:
    """What there is not."""
    return ApiError(404, code, message)


# A method, the start of a path that ends with "/" or a whole path, and what answers.
Route = tuple[str, str, Callable[[Request], Answer]]
