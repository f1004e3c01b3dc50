"""The OpenAPI 3.1 document, made of the route table and of the very types that check requests and encode answers."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside import __version__
from fireside import errors as e
from fireside.api.http.envelope import ErrorEnvelope, JsonResponse
from fireside.api.http.paths import OPENAPI_PATH
from fireside.api.http.wire_errors import INTERNAL_ERROR, WIRE_ERRORS, wire_error_of
from fireside.api.schema.operation import Doc, Operation
from fireside.catalog.spec import MODEL_ID_PATTERN

_REFERENCE = "#/components/schemas/{}"
_EVERY = (e.HeadersTooLarge, e.StoreUnavailable, e.ShuttingDown)
_GUARDED = (e.NotAuthenticated, e.NotPermitted)
_BODY = (e.BadBody, e.InvalidInput, e.InvalidDataType, e.BodyTooLarge, e.RequestTimeout, e.FeatureUnavailable)
_FORM = (e.BadBody, e.InvalidInput, e.BodyTooLarge, e.RequestTimeout, e.FeatureUnavailable)
_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "account_id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "model": {
        "type": "string",
        "pattern": MODEL_ID_PATTERN,
        "description": "A model's id, as @hf/author/name; its slashes raw or percent-encoded.",
    },
    "finetune": {"type": "string", "minLength": 1, "description": "Id or name."},
}
_ABOUT = """\
Text generation as Workers AI has it, on your own machines. While the server has no token, none is needed, and any
account id will do."""
_STREAM = "Each event: `data: JSON` and a blank line; the last one is `data: [DONE]`."


def routes(described: Iterable[Route]) -> list[Route]:
    """The document's own route, for the operations among the routes given."""
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
        results: list[Any] = [ErrorEnvelope]
        bodies = []
        for operation in operations:
            doc = operation.doc
            results += [
                kind for kind in (doc.result, doc.frames, doc.errors.body, doc.errors.frame) if kind is not None
            ]
            bodies += [kind for kind in (doc.body, doc.query) if kind is not None]
        written, components = msgspec.json.schema_components(results, ref_template=_REFERENCE.format("{name}"))
        adapters = [(number, "validation", TypeAdapter(kind)) for number, kind in enumerate(bodies)]
        read, more = TypeAdapter.json_schemas(adapters, ref_template=_REFERENCE.format("{model}"))  # type: ignore[arg-type]
        definitions = more.get("$defs", {})
        clash = components.keys() & definitions.keys()
        assert not clash, f"two types of one name: {clash}"
        self.components = {
            **{name: _always_there(schema) for name, schema in components.items() if "Envelope_" not in name},
            **definitions,
        }
        envelopes = {name: _always_there(schema) for name, schema in components.items() if "Envelope_" in name}
        # An envelope is written out at its place: its name says nothing that its result does not say better.
        self._written = [
            (kind, _tidy(envelopes.get(schema.get("$ref", "").rpartition("/")[2], schema)))
            for kind, schema in zip(results, written, strict=True)
        ]
        self._read = [(kind, _one_of(read[number, "validation"])) for number, kind in enumerate(bodies)]
        self.components = _tidy(self.components)

    def written(self, kind: Any) -> dict[str, Any]:
        """What encodes an answer."""
        return next(schema for known, schema in self._written if known == kind)

    def read(self, kind: Any) -> dict[str, Any]:
        """What checks a request."""
        return next(schema for known, schema in self._read if known == kind)


def _always_there(schema: dict[str, Any]) -> dict[str, Any]:
    """A Struct's fields with defaults are encoded like any other; only those that may be unset are not required."""
    properties = schema.get("properties", {})
    defaults = [name for name, value in properties.items() if "default" in value]
    plain = {name: {key: value[key] for key in value if key != "default"} for name, value in properties.items()}
    return {**schema, "properties": plain, "required": [*schema.get("required", ()), *defaults]}


def _one_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Of the forms that a body may have it has exactly one."""
    return {"oneOf": schema["anyOf"]} if "anyOf" in schema else schema


def _tidy(node: Any) -> Any:
    """The schema without generated titles, and of docstrings only what is for readers of the document."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied = {key: _tidy(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    if isinstance(about := tidied.get("description"), str):
        tidied["description"] = " ".join(about.partition("Args:")[0].split())
    return tidied


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
    if doc.form is not None:
        form = {"type": "object", "properties": doc.form, "required": list(doc.form)}
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
    """What may go wrong, by status."""
    doc = operation.doc
    kinds: list[type[e.FiresideError]] = [*_EVERY, *doc.raises]
    if not doc.public:
        kinds += _GUARDED
    if "account_id" in operation.param_convertors:
        kinds.append(e.NoSuchRoute)
    if doc.body is not None:
        kinds += _BODY
    if doc.form is not None:
        kinds += _FORM
    found = {INTERNAL_ERROR.status: [f"- {INTERNAL_ERROR.code}: internal error"]}
    for kind in WIRE_ERRORS:
        if issubclass(kind, tuple(kinds)):
            wire = wire_error_of(kind)
            status = doc.errors.status(kind)
            found.setdefault(status, []).append(f"- {wire.code}: {(kind.__doc__ or '').strip().partition(chr(10))[0]}")
    return found
