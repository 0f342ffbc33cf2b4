"""Shared by the parts of the workspace: requests, answers, and errors in Databricks' form."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """An API request; ``path`` is decoded, ``body`` is raw."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    json: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An answer: JSON, or raw content."""

    status: int = 200
    json: dict[str, Any] | None = None
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An error answer of the API."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def answer(self) -> Answer:
        """The error as an answer."""
        return Answer(self.status, {"error_code": self.code, "message": str(self)})


def invalid(message: str) -> ApiError:
    """The error for an invalid request."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str, code: str = "RESOURCE_DOES_NOT_EXIST") -> ApiError:
    """The error for a missing resource."""
    return ApiError(404, code, message)


# A method, a path or a prefix that ends with "/", and the function that answers.
Route = tuple[str, str, Callable[[Request], Answer]]
