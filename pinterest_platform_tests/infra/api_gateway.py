"""A local API Gateway: serves the paths and methods that moto has, with the template's mappings.

moto only keeps the integration of a method. Mapping templates, models and responses come from
``infra/aws/api.yaml``, are rendered by airspeed (Velocity in Python), and go to moto's Kinesis.
Not covered: AWS's own Velocity and JSONPath, IAM, throttling, the VPC link.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import airspeed
import requests
from jsonschema import Draft4Validator
from typing_extensions import override

from pinterest_platform_tests.infra.templates import Deployment, read
from pinterest_platform_tests.local_aws import client

Answer = tuple[int, str, dict[str, str]]

# A request of the tests takes milliseconds; a busy machine may take much longer.
DEADLINE_SECONDS = 120

# It tells moto the service; moto does not check it.
SIGNED = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/kinesis/aws4_request"


class Input:
    """``$input``: the body by simple JSONPaths, and the path's parameters."""

    def __init__(self, body: Any, params: dict[str, str]) -> None:
        self._body = body
        self._params = params

    def path(self, path: str) -> Any:
        value = self._body
        for name, quoted, index in re.findall(r"\.(\w+)|\['([^']+)'\]|\[(\d+)\]", path):
            key: Any = int(index) if index else name or quoted
            try:
                value = value[key]
            except (LookupError, TypeError):
                return ""
        return _java(value)

    def json(self, path: str) -> "Text":
        return Text(json.dumps(self.path(path), ensure_ascii=False, separators=(",", ":")))

    def params(self, name: str) -> "Text":
        return Text(self._params[name])


class Text(str):
    """A string with the Java methods that the mappings call."""

    def startsWith(self, start: str) -> bool:
        return self.startswith(start)

    def replaceAll(self, pattern: str, by: str) -> "Text":
        return Text(re.sub(pattern, by, self))


class Map(dict[str, Any]):
    """An object with the Java method that the mappings call."""

    def containsKey(self, key: str) -> bool:
        return key in self


class Util:
    """``$util``."""

    def base64Encode(self, text: str) -> str:
        return base64.b64encode(_java_bytes(text)).decode()

    def escapeJavaScript(self, text: str) -> Text:
        return Text(json.dumps(text)[1:-1].replace("'", "\\'"))


def _java_bytes(text: str) -> bytes:
    """Java's getBytes(UTF_8): a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace")


def _parsed(body: bytes) -> Any:
    """JSON as Jackson parses it: UTF-8, with or without a byte order mark, and no NaN.

    Raises:
        ValueError: it is not JSON, or nested deeper than Jackson allows.
    """
    try:
        return _java(json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant))
    except RecursionError:
        raise ValueError from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _java(value: Any) -> Any:
    if isinstance(value, dict):
        return Map({key: _java(part) for key, part in value.items()})
    if isinstance(value, list):
        return [_java(part) for part in value]
    return Text(value) if isinstance(value, str) else value


class Api:
    """The methods by path, combined from the stack and the template."""

    def __init__(self, deployment: Deployment, gateway: str) -> None:
        self._aws = deployment.endpoint
        self._gateway = gateway
        template = read("api")
        self._resources = template["Resources"]
        self._mappings = template["Mappings"]
        apigateway = client("apigateway", deployment.endpoint)
        stored = apigateway.get_resources(restApiId=deployment.physical("Api", "Api"), limit=500)
        self.methods = {
            (verb, resource["path"])
            for resource in stored["items"]
            for verb in resource.get("resourceMethods", {})
        }
        self._by_path = {
            (
                properties["HttpMethod"],
                self._path(properties["ResourceId"]["Ref"]),
            ): properties
            for resource in self._resources.values()
            if resource["Type"] == "AWS::ApiGateway::Method"
            for properties in [resource["Properties"]]
        }
        assert self.methods == set(self._by_path)

    def answer(self, verb: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """The API's answer: status, body, headers."""
        for method, pattern in self.methods:
            names = re.findall(r"\{([^}]+)\}", pattern)
            found = re.fullmatch(re.sub(r"\{[^}]+\}", "([^/]+)", pattern), path)
            if method == verb and found:
                params = dict(zip(names, map(unquote, found.groups()), strict=True))
                properties = self._by_path[verb, pattern]
                if properties["Integration"]["Type"] == "HTTP_PROXY":
                    return self._proxy(properties, path, body, headers)
                return self._integrate(properties, body, headers, params)
        return self._own("OtherClientErrors", 403, "MISSING_AUTHENTICATION_TOKEN", "no such method")

    def _path(self, name: str) -> str:
        properties = self._resources[name]["Properties"]
        parent = properties["ParentId"].get("Ref")
        return f"{self._path(parent) if parent else ''}/{properties['PathPart']}"

    def _proxy(
        self, properties: dict[str, Any], path: str, body: bytes, headers: dict[str, str]
    ) -> Answer:
        kept = {"Content-Type": headers["Content-Type"]} if "Content-Type" in headers else {}
        given = {name.lower(): value for name, value in headers.items()}
        for to, of in properties["Integration"]["RequestParameters"].items():
            name = of.rpartition(".")[2]
            if ".header." in to and name in given:
                kept[to.rpartition(".")[2]] = given[name]
        answer = requests.request(
            properties["HttpMethod"],
            f"{self._gateway}{path}",
            data=body,
            headers=kept,
            timeout=DEADLINE_SECONDS,
        )
        return answer.status_code, answer.text, {"Content-Type": answer.headers["Content-Type"]}

    def _integrate(
        self,
        properties: dict[str, Any],
        body: bytes,
        headers: dict[str, str],
        params: dict[str, str],
    ) -> Answer:
        integration = properties["Integration"]
        # Without the header, API Gateway assumes application/json.
        kind = headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
        if kind not in integration["RequestTemplates"]:
            return self._own("OtherClientErrors", 415, "UNSUPPORTED_MEDIA_TYPE", kind)
        parsed = None
        # A mapping that does not use the body accepts any.
        if "RequestValidatorId" in properties:
            try:
                parsed = _parsed(body.strip() or b"{}")
            except ValueError:
                return self._own("BadBody", 400, "BAD_REQUEST_BODY", "Invalid request body")
            model = self._resources[properties["RequestModels"][kind]["Ref"]]["Properties"]
            if not Draft4Validator(model["Schema"]).is_valid(parsed):
                return self._own("BadBody", 400, "BAD_REQUEST_BODY", "Invalid request body")
        sent = self._render(integration["RequestTemplates"][kind], Input(parsed, params))[0]
        action = integration["Uri"]["Fn::Sub"].rpartition("/")[2]
        answered = requests.post(
            self._aws,
            data=_java_bytes(sent),
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"Kinesis_20131202.{action}",
                "Authorization": SIGNED,
            },
            timeout=DEADLINE_SECONDS,
        )
        response = next(
            (
                one
                for one in integration["IntegrationResponses"]
                if "SelectionPattern" in one
                and re.fullmatch(one["SelectionPattern"], str(answered.status_code))
            ),
            integration["IntegrationResponses"][0],
        )
        content = _java(json.loads(answered.content or b"{}"))
        text, status = self._render(
            response["ResponseTemplates"]["application/json"], Input(content, params)
        )
        more = {
            name.rpartition(".")[2]: value.strip("'")
            for name, value in response.get("ResponseParameters", {}).items()
        }
        status = status or int(response["StatusCode"])
        return status, text, {"Content-Type": "application/json"} | more

    def _render(self, mapping: dict[str, Any], body: Input) -> tuple[str, int | None]:
        name, *keys = mapping["Fn::FindInMap"]
        text = self._mappings[name]
        for key in keys:
            text = text[key]
        context = Map({"responseOverride": Map()})
        rendered = airspeed.Template(text).merge(
            {"input": body, "util": Util(), "context": context}
        )
        return rendered, context["responseOverride"].get("status")

    def _own(self, response: str, status: int, kind: str, message: str) -> Answer:
        text = self._resources[response]["Properties"]["ResponseTemplates"]["application/json"]
        text = text.replace("$context.error.messageString", json.dumps(message))
        return status, text.replace("$context.error.responseType", kind), {}


@contextmanager
def serving(answer: Callable[[str, str, bytes, dict[str, str]], Answer]) -> Iterator[str]:
    """Serve the function's answers to (verb, path, body, headers); yields the URL with a stage."""
    handler = type("Serving", (_Serving,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


class _Serving(BaseHTTPRequestHandler):
    answer: Callable[[str, str, bytes, dict[str, str]], Answer]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix("/v1")
        status, text, headers = self.answer(self.command, path, body, dict(self.headers))
        content = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_DELETE = do_GET

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
