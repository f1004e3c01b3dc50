"""The OpenAPI 3.1 document, generated from the route table and the types that check requests and encode answers."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside import __version__
from fireside import errors as e
from fireside.api.http.envelope import ErrorEnvelope, JsonResponse
from fireside.api.http.paths import OPENAPI_PATH
from fireside.api.http.wire_errors import INTERNAL_ERROR, WIRE_ERRORS, wire_error_of
from fireside.api.schema.json_schema import PublishedSchema, tidied
from fireside.api.schema.operation import Doc, Operation
from fireside.catalog.spec import MODEL_ID_PATTERN

_WRITTEN: JsonSchemaMode = "serialization"
_READ: JsonSchemaMode = "validation"
_REFERENCE = "#/components/schemas/{}"
_EVERY = (e.HeadersTooLarge, e.StoreUnavailable, e.ShuttingDown)
_GUARDED = (e.NotAuthenticated, e.NotPermitted)
_BODY = (e.BadBody, e.InvalidInput, e.InvalidDataType, e.BodyTooLarge, e.RequestTimeout, e.FeatureUnavailable)
_MULTIPART = (e.BadBody, e.InvalidInput, e.BodyTooLarge, e.RequestTimeout, e.FeatureUnavailable)
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "account_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "model": {
        "type": "string",
        "pattern": MODEL_ID_PATTERN,
        "description": "Model id, for example @hf/author/name. Slashes may be raw or percent-encoded.",
    },
    "finetune": {"type": "string", "minLength": 1, "description": "Id or name of the fine-tune."},
}
_ABOUT = """\
The Workers AI text generation API, on your own machines. Until the first token is created, no token is required and
any account id is accepted."""
_STREAM = "Each event is `data: JSON` followed by a blank line; the last event is `data: [DONE]`."


def routes(described: Iterable[Route]) -> list[Route]:
    """The route that serves the document for the operations among `described`."""
    operations = [route for route in described if isinstance(route, Operation)]

    @cache
    def made() -> bytes:
        return msgspec.json.encode(document(operations))

    async def endpoint(request: Request) -> Response:
        return Response(made(), media_type=JsonResponse.media_type)

    return [Route(OPENAPI_PATH, endpoint)]


def document(operations: list[Operation]) -> dict[str, Any]:
    """The whole document."""
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = operation.path.replace(":path}", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _describe(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fireside", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """Schemas of all types that the operations name: references into `components`."""

    def __init__(self, operations: list[Operation]) -> None:
        docs = [operation.doc for operation in operations]
        written = [kind for doc in docs for kind in (doc.result, doc.frames, doc.errors.body, doc.errors.frame)]
        kinds = [(kind, _WRITTEN) for kind in (ErrorEnvelope, *written)]
        kinds += [(kind, _READ) for doc in docs for kind in (doc.body, doc.query)]
        kinds = [(kind, mode) for kind, mode in kinds if kind is not None]
        schemas, more = TypeAdapter.json_schemas(
            [(number, mode, TypeAdapter(kind)) for number, (kind, mode) in enumerate(kinds)],
            ref_template=_REFERENCE.format("{model}"),
            schema_generator=PublishedSchema,
        )
        definitions = tidied(more["$defs"])
        envelopes = {name: schema for name, schema in definitions.items() if name.startswith("Envelope_")}
        self.components = {name: schema for name, schema in definitions.items() if name not in envelopes}
        self._found: list[tuple[Any, str, dict[str, Any]]] = []
        for number, (kind, mode) in enumerate(kinds):
            schema = tidied(schemas[number, mode])
            # Envelopes are inlined: their result types say all that their names could.
            schema = envelopes.get(schema.get("$ref", "").rpartition("/")[2], schema)
            self._found.append((kind, mode, schema))

    def written(self, kind: Any) -> dict[str, Any]:
        """Schema of a response type."""
        return self._schema(kind, _WRITTEN)

    def read(self, kind: Any) -> dict[str, Any]:
        """Schema of a request type."""
        schema = self._schema(kind, _READ)
        # A body matches exactly one of the alternatives.
        return {"oneOf": schema["anyOf"]} if "anyOf" in schema else schema

    def _schema(self, kind: Any, mode: JsonSchemaMode) -> dict[str, Any]:
        return next(schema for known, of, schema in self._found if known == kind and of == mode)


def _describe(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    doc = operation.doc
    described: dict[str, Any] = {
        "operationId": doc.id,
        "summary": doc.summary,
        "tags": [doc.tag],
        "parameters": [*_path_parameters(operation), *_query_parameters(doc, schemas)],
        "responses": _responses(operation, schemas),
    }
    if doc.public:
        described["security"] = []
    if doc.body is not None:
        content = {"application/json": {"schema": schemas.read(doc.body)}}
        described["requestBody"] = {"required": True, "content": content}
    if doc.multipart is not None:
        form = {"type": "object", "properties": doc.multipart, "required": list(doc.multipart)}
        described["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    return described


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in operation.param_convertors:
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]}


def _query_parameters(doc: Doc, schemas: _Schemas) -> Iterator[dict[str, Any]]:
    if doc.query is None:
        return
    name = schemas.read(doc.query)["$ref"].rpartition("/")[2]
    schema = schemas.components[name]
    for field, value in schema["properties"].items():
        required = field in schema.get("required", ())
        yield {"name": field, "in": "query", "required": required, "allowEmptyValue": not required, "schema": value}


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    doc = operation.doc
    content = {"application/json": {"schema": schemas.written(doc.result)}}
    error = schemas.written(doc.errors.body)
    if doc.frames is not None:
        frame = schemas.written(doc.frames)
        last = doc.errors.frame
        json: dict[str, Any] = frame if last is None else {"anyOf": [frame, schemas.written(last)]}
        said = {"type": "string", "contentMediaType": "application/json", "contentSchema": json}
        # Before version 3.2, OpenAPI has no better place than `schema` for what each event is.
        stream = {
            "type": "object",
            "description": _STREAM,
            "properties": {"data": {"anyOf": [{"const": "[DONE]"}, said]}},
            "required": ["data"],
        }
        content["text/event-stream"] = {"schema": stream}
    responses: dict[str, Any] = {"200": {"description": doc.summary, "content": content}}
    for status, lines in sorted(_errors(operation).items()):
        # Before its path is known, a request's error has the common shape.
        shape = schemas.written(ErrorEnvelope) if status == wire_error_of(e.HeadersTooLarge).status else error
        responses[str(status)] = {
            "description": "\n".join(dict.fromkeys(lines)),
            "content": {"application/json": {"schema": shape}},
        }
    return responses


def _errors(operation: Operation) -> dict[int, list[str]]:
    """Descriptions of the possible errors, by HTTP status."""
    doc = operation.doc
    kinds: list[type[e.FiresideError]] = [*_EVERY, *doc.raises]
    if not doc.public:
        kinds += _GUARDED
    if "account_id" in operation.param_convertors:
        kinds.append(e.NoSuchRoute)
    if doc.body is not None:
        kinds += _BODY
    if doc.multipart is not None:
        kinds += _MULTIPART
    found = {INTERNAL_ERROR.status: [f"- {INTERNAL_ERROR.code}: internal error"]}
    for kind in WIRE_ERRORS:
        if issubclass(kind, tuple(kinds)):
            wire = wire_error_of(kind)
            status = doc.errors.status(kind)
            found.setdefault(status, []).append(f"- {wire.code}: {(kind.__doc__ or '').strip().partition(chr(10))[0]}")
    return found
