"""The gateway's OpenAPI document, from its own names and limits; served at /openapi.json."""

from collections.abc import Collection
from importlib.metadata import version
from typing import Any

from pinterest_platform.gateway.errors import JSON_TYPE, KAFKA_TYPE
from pinterest_platform.gateway.stream_bodies import MAX_PARTITION_KEY
from pinterest_platform.gateway.stream_bodies import MAX_RECORDS as MAX_STREAM_RECORDS
from pinterest_platform.gateway.topic_bodies import MAX_RECORDS

RECORDS_TYPE = "application/vnd.kafka.json.v2+json"

Json = dict[str, Any]

_REASONS = {
    400: "The request is not HTTP, or its body is not JSON in UTF-8.",
    401: "The token is missing or wrong.",
    403: "The request comes from a web page, or is not allowed.",
    404: "No such topic, partition, stream or route.",
    408: "The request took too long to arrive.",
    413: "The body or a record is too long, or there are too many records.",
    415: "The Content-Type is not supported, or there is a Content-Encoding.",
    421: "The Host is not one of the gateway's names.",
    422: "The JSON does not match the schema.",
    429: "Kinesis throttles.",
    431: "The headers are too long.",
    500: "The gateway or Kinesis failed.",
    502: "The answer is not from Kinesis.",
    503: "Busy or unavailable: send the request again after Retry-After seconds.",
    504: "No acknowledgement in time: the records may or may not be kept.",
}
_ALWAYS = (400, 401, 403, 408, 421, 431, 500, 503)

_KEY: Json = {
    "type": ["string", "number", "boolean"],
    "minLength": 1,
    "maxLength": MAX_PARTITION_KEY,
    "description": "Selects the shard; numbers and booleans count as their text.",
}

_SCHEMAS: Json = {
    "KafkaError": {
        "type": "object",
        "required": ["error_code", "message"],
        "properties": {"error_code": {"type": "integer"}, "message": {"type": "string"}},
    },
    "AwsError": {
        "type": "object",
        "required": ["__type", "message"],
        "properties": {"__type": {"type": "string"}, "message": {"type": "string"}},
    },
    "Health": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": ["ok", "unavailable"]},
            "topics": {"type": "array", "items": {"type": "string"}},
            "error_code": {"type": "integer"},
            "message": {"type": "string"},
        },
    },
    "Topic": {
        "type": "object",
        "required": ["name", "configs", "partitions"],
        "properties": {
            "name": {"type": "string"},
            "configs": {"type": "object"},
            "partitions": {"type": "array", "items": {"type": "object"}},
        },
    },
    "Records": {
        "type": "object",
        "required": ["records"],
        "additionalProperties": False,
        "properties": {
            "records": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_RECORDS,
                "items": {
                    "type": "object",
                    "required": ["value"],
                    "additionalProperties": False,
                    "properties": {
                        "value": {"description": "Any JSON; kept as sent, without white space."},
                        "key": {"description": "Records with one key go to one partition."},
                        "partition": {"type": ["integer", "null"], "minimum": 0},
                    },
                },
            },
        }
        | {
            name: {"type": "null"}
            for name in ("key_schema", "key_schema_id", "value_schema", "value_schema_id")
        },
    },
    "Offsets": {
        "type": "object",
        "required": ["key_schema_id", "offsets", "value_schema_id"],
        "properties": {
            "key_schema_id": {"type": "null"},
            "value_schema_id": {"type": "null"},
            "offsets": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["offset", "partition"],
                    "properties": {
                        "offset": {"type": "integer", "minimum": 0},
                        "partition": {"type": "integer", "minimum": 0},
                    },
                },
            },
        },
    },
    "StreamRecord": {
        "type": "object",
        "description": "Data is any JSON: a string is put as its text, anything else as JSON. "
        "Other fields, such as StreamName, are ignored.",
        "allOf": [
            {"anyOf": [{"required": ["Data"]}, {"required": ["data"]}]},
            {
                "anyOf": [
                    {"required": ["PartitionKey"], "properties": {"PartitionKey": _KEY}},
                    {
                        "required": ["partition-key"],
                        "properties": {"partition-key": _KEY, "PartitionKey": False},
                    },
                ]
            },
        ],
    },
    "StreamRecords": {
        "type": "object",
        "anyOf": [
            {
                "required": ["Records"],
                "properties": {"Records": {"$ref": "#/components/schemas/StreamRecordList"}},
            },
            {
                "required": ["records"],
                "properties": {
                    "records": {"$ref": "#/components/schemas/StreamRecordList"},
                    "Records": False,
                },
            },
        ],
    },
    "StreamRecordList": {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_STREAM_RECORDS,
        "items": {"$ref": "#/components/schemas/StreamRecord"},
    },
    "NewStream": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "ShardCount": {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": 100_000},
                    {"enum": [None, ""]},
                ]
            },
            "StreamName": {"description": "Ignored."},
        },
    },
}


def describe(topics: Collection[str], streams: Collection[str] | None, *, guarded: bool) -> Json:
    """The OpenAPI 3.1 document.

    Args:
        topics: the topics.
        streams: the allowed streams; None for any.
        guarded: whether a token is required.
    """
    topic = _parameter("topic", {"enum": sorted(topics)})
    name: Json = {"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,128}$"}
    stream = _parameter("stream", name if streams is None else {"enum": sorted(streams)})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gateway of pinterest_platform",
            "version": version("pinterest_platform"),
            "description": "Kafka REST v2 for JSON records; Kinesis with API Gateway's paths.",
        },
        "security": [{"bearer": []}, {"apiKey": []}] if guarded else [],
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "paths": {
            "/health": {
                "get": _operation("Whether records can be appended.", "Health", JSON_TYPE)
                | {"security": []}
            },
            "/openapi.json": {"get": _operation("This document.", {"type": "object"}, JSON_TYPE)},
            "/topics": {"get": _operation("The topics.", _names(), KAFKA_TYPE)},
            "/topics/{topic}": {
                "parameters": [topic],
                "get": _operation("A topic and its partitions.", "Topic", KAFKA_TYPE, 404),
                "post": _operation(
                    "Append records; answered once they are durable.",
                    "Offsets",
                    RECORDS_TYPE,
                    *(404, 413, 415, 422, 504),
                    body=_body("Records", RECORDS_TYPE),
                ),
            },
            "/streams": {"get": _kinesis("The streams.", {"type": "object"})},
            "/streams/{stream}": {
                "parameters": [stream],
                "get": _kinesis("A stream and its shards."),
                "post": _kinesis("Create a stream.", body=_body("NewStream", required=False)),
                "delete": _kinesis("Delete a stream and its records."),
            },
            "/streams/{stream}/record": {
                "parameters": [stream],
                "put": _kinesis("Put a record.", body=_body("StreamRecord")),
            },
            "/streams/{stream}/records": {
                "parameters": [stream],
                "put": _kinesis("Put up to 500 records.", body=_body("StreamRecords")),
            },
        },
    }


def _parameter(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _names() -> Json:
    return {"type": "array", "items": {"type": "string"}}


def _body(schema: str, kind: str = JSON_TYPE, *, required: bool = True) -> Json:
    return {"required": required, "content": {kind: {"schema": _schema(schema)}}}


def _schema(of: str | Json) -> Json:
    return {"$ref": f"#/components/schemas/{of}"} if isinstance(of, str) else of


def _kinesis(summary: str, answer: str | Json | None = None, body: Json | None = None) -> Json:
    return _operation(
        summary,
        answer or {"type": "object"},
        JSON_TYPE,
        *(404, 413, 415, 429, 502, 504),
        error="AwsError",
        body=body,
    )


def _operation(
    summary: str,
    answer: str | Json,
    kind: str,
    *statuses: int,
    error: str = "KafkaError",
    body: Json | None = None,
) -> Json:
    refusal: Json = {KAFKA_TYPE: {"schema": _schema("KafkaError")}}
    if error == "AwsError":
        refusal = {}
    # A request that is refused before its path has arrived is answered in Kafka REST's form.
    refusal[JSON_TYPE] = {"schema": {"anyOf": [_schema("AwsError"), _schema("KafkaError")]}}
    if answer == "Health":
        refusal[JSON_TYPE] = {"schema": {"anyOf": [_schema("Health"), _schema("KafkaError")]}}
    responses: Json = {
        "200": {"description": "Done.", "content": {kind: {"schema": _schema(answer)}}}
    }
    for status in sorted({*_ALWAYS, *statuses}):
        responses[str(status)] = {"description": _REASONS[status], "content": refusal}
    return {"summary": summary, "responses": responses} | ({"requestBody": body} if body else {})
