"""The OpenAPI document of capture's endpoints: written here, for FastAPI does not know them.

A request that follows it may still be refused for what a schema cannot say (a token of another form, bytes that are no
gzip); the refusals are listed too. tests/services/capture/test_openapi.py sends generated requests of both kinds.
"""

from typing import Any

from libs.kit.contracts.routes import CAPTURE_AI_PATH, CAPTURE_BLACK_HOLE, CAPTURE_V0_PATHS, CAPTURE_V1_PATHS

Schema = dict[str, Any]

_ANY_TEXT: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_EVENT_V0: Schema = {
    "type": "object",
    "required": ["event"],
    "properties": {
        "event": _ANY_TEXT,
        "distinct_id": {},
        "api_key": _ANY_TEXT,
        "uuid": {"type": "string", "format": "uuid"},
        "properties": _OBJECT,
        "timestamp": {"type": ["string", "null"]},
        "offset": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
        "$set": {"type": ["object", "null"]},
        "$set_once": {"type": ["object", "null"]},
    },
}
_BATCH_V0: Schema = {
    "type": "object",
    "required": ["api_key", "batch"],
    "properties": {
        "api_key": _ANY_TEXT,
        "batch": {"type": "array", "items": {"$ref": "#/components/schemas/EventV0"}},
        "historical_migration": {"type": ["boolean", "null"]},
        "sent_at": {"type": ["string", "null"]},
    },
}
_EVENT_V1: Schema = {
    "type": "object",
    "required": ["event", "uuid", "distinct_id", "timestamp"],
    "properties": {
        "event": _ANY_TEXT,
        "uuid": {"type": "string", "format": "uuid"},
        "distinct_id": _ANY_TEXT,
        "timestamp": {"type": "string", "format": "date-time"},
        "session_id": {"type": ["string", "null"]},
        "window_id": {"type": ["string", "null"]},
        "options": {},
        "properties": _OBJECT,
    },
}
_BATCH_V1: Schema = {
    "type": "object",
    "required": ["created_at", "batch"],
    "properties": {
        "created_at": {"type": "string", "format": "date-time"},
        "batch": {"type": "array", "items": {"$ref": "#/components/schemas/EventV1"}},
        "historical_migration": {"type": ["boolean", "null"]},
        "capture_internal": {"type": ["boolean", "null"]},
    },
}
_RESULTS: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["result"],
                "properties": {
                    "result": {"enum": ["ok", "warning", "drop", "retry"]},
                    "details": _ANY_TEXT,
                },
            },
        }
    },
}
_ERROR_V1: Schema = {
    "type": "object",
    "required": ["error", "error_description", "error_uri"],
    "properties": {"error": _ANY_TEXT, "error_description": _ANY_TEXT, "error_uri": _ANY_TEXT},
}
_SUCCESS: Schema = {"type": "object", "required": ["status"], "properties": {"status": {"const": "Ok"}}}
_ACCEPTED: Schema = {
    "type": "object",
    "required": ["accepted_parts"],
    "properties": {"accepted_parts": {"type": "array", "items": _OBJECT}},
}
SCHEMAS: dict[str, Schema] = {
    "EventV0": _EVENT_V0,
    "BatchV0": _BATCH_V0,
    "EventV1": _EVENT_V1,
    "BatchV1": _BATCH_V1,
    "Results": _RESULTS,
    "ErrorV1": _ERROR_V1,
    "Success": _SUCCESS,
    "AcceptedParts": _ACCEPTED,
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _said(description: str, kind: str, schema: Schema) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _refusals(statuses: dict[int, str], kind: str, schema: Schema) -> dict[str, Schema]:
    return {str(status): _said(text, kind, schema) for status, text in statuses.items()}


_WHY = {
    400: "The body cannot be read, or an event in it cannot be taken.",
    401: "There is no token, or none that can be a project's.",
    408: "The body did not come in time.",
    413: "The body or an event is too large.",
    503: "Not taken: send the same again.",
}
_PLAIN = _refusals(_WHY, "text/plain", _ANY_TEXT)
_JSON = _refusals({**_WHY, 415: "Another content type or encoding."}, "application/json", _ref("ErrorV1"))


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "required": True, "schema": schema, "description": description}


_INT64: Schema = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
_QUERY = [
    _query(
        "compression", {"enum": ["gzip", "gzip-js", "lz64", "base64"]}, "How the payload is packed; gzip is sniffed."
    ),
    _query("_", _INT64, "The client's clock when it sent, in milliseconds."),
    _query("beacon", {"type": "integer", "enum": [0, 1]}, "1: success is 204 without a body."),
]
_BEARER: list[dict[str, list[str]]] = [{"token": []}]
_HEADERS = [
    _header("PostHog-Sdk-Info", _ANY_TEXT, "Library and version: `posthog-node/5.1`."),
    _header("PostHog-Attempt", {"type": "integer", "minimum": 1, "maximum": 999_999_999}, "Which try this is, from 1."),
    _header("PostHog-Request-Id", {"type": "string", "format": "uuid"}, "The same in every try."),
    _header("PostHog-Request-Timestamp", {"type": "string", "format": "date-time"}, "The sender's clock."),
    _header("User-Agent", {"type": "string", "minLength": 1}, "Who sends."),
]


def _v0(path: str) -> Schema:
    shapes: list[Schema] = [
        _ref("EventV0"),
        _ref("BatchV0"),
        {"type": "array", "items": _ref("EventV0")},
    ]
    if path == "/engage":
        shapes.append(_OBJECT)
    body = {
        "application/json": {"schema": {"anyOf": shapes}},
        "text/plain": {"schema": {"type": "string", "description": "JSON, or base64 of it; gzip is sniffed."}},
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["data"],
                "properties": {"data": _ANY_TEXT, "compression": _ANY_TEXT},
            }
        },
    }
    responses = {
        "200": _said("Taken, and durable.", "application/json", _ref("Success")),
        "204": {"description": "Taken, and durable; for `beacon=1`."},
        **_PLAIN,
    }
    name = path.strip("/").replace("/", "_")
    item: Schema = {
        "post": {
            "operationId": f"post_{name}",
            "summary": "Events from SDKs.",
            "parameters": _QUERY,
            "requestBody": {"required": True, "content": body},
            "responses": responses,
        }
    }
    if path != "/i/v0/ai/batch":
        item["get"] = {
            "operationId": f"get_{name}",
            "summary": "Events in the address.",
            "parameters": [*_QUERY, _query("data", _ANY_TEXT, "The payload: JSON, or base64 of it.")],
            "responses": responses,
        }
    return item


def _v1(path: str) -> Schema:
    return {
        "post": {
            "operationId": f"post_{path.strip('/').replace('/', '_')}",
            "summary": "Events from SDKs, with a verdict on each.",
            "security": _BEARER,
            "parameters": _HEADERS,
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("BatchV1")}}},
            "responses": {
                "200": _said("A verdict on each event.", "application/json", _ref("Results")),
                **_JSON,
            },
        }
    }


_AI: Schema = {
    "post": {
        "operationId": "post_i_v0_ai",
        "summary": "One AI event, its prompts and answers as parts.",
        "security": _BEARER,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["event"],
                        "properties": {"event": _OBJECT, "event.properties": _OBJECT},
                    }
                }
            },
        },
        "responses": {"200": _said("Taken, and durable.", "application/json", _ref("AcceptedParts")), **_PLAIN},
    }
}
_HOLE: Schema = {
    method: {
        "operationId": f"{method}_test_black_hole",
        "summary": "Reads, keeps nothing, and says that all is well.",
        "responses": {"200": _said("Read.", "application/json", _ref("Success"))},
    }
    for method in ("get", "post")
}


def document() -> Schema:
    """OpenAPI 3.1."""
    paths = {path: _v0(path) for path in CAPTURE_V0_PATHS} | {path: _v1(path) for path in CAPTURE_V1_PATHS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hedgerow capture", "version": "0"},
        "paths": {**paths, CAPTURE_AI_PATH: _AI, CAPTURE_BLACK_HOLE: _HOLE},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "The project API key."}},
        },
    }
