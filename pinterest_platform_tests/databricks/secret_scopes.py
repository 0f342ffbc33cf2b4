"""The Secrets API, read-only, and references to secrets in a cluster's environment."""

import base64
import re

from pinterest_platform_tests.databricks.api import Answer, Request, Route, missing

_REFERENCE = re.compile(r"\{\{secrets/([^/]+)/([^}]+)\}\}")


class SecretScopes:
    """Scopes with keys and values, filled by tests."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}

    @property
    def routes(self) -> list[Route]:
        """The routes of this API."""
        return [
            ("GET", "/api/2.0/secrets/get", self._get),
            ("GET", "/api/2.0/secrets/scopes/list", self._list),
        ]

    def of_environment(self, variables: dict[str, str]) -> dict[str, str]:
        """Environment variables with their references to secrets resolved.

        Raises:
            ApiError: a secret does not exist.
        """
        return {
            name: self._secret(*reference.groups())
            if (reference := _REFERENCE.fullmatch(value))
            else value
            for name, value in variables.items()
        }

    def _get(self, request: Request) -> Answer:
        scope, key = request.query.get("scope", ""), request.query.get("key", "")
        value = base64.b64encode(self._secret(scope, key).encode()).decode()
        return Answer(json={"key": key, "value": value})

    def _list(self, request: Request) -> Answer:
        scopes = [{"name": name, "backend_type": "DATABRICKS"} for name in self.values]
        return Answer(json={"scopes": scopes})

    def _secret(self, scope: str, key: str) -> str:
        if scope not in self.values:
            raise missing(f"Secret scope {scope} does not exist!")
        if key not in self.values[scope]:
            raise missing(f"Secret does not exist with scope: {scope} and key: {key}")
        return self.values[scope][key]
