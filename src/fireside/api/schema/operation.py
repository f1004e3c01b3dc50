"""A route with its documentation: the router serves it, and the OpenAPI document describes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.routing import Route

from fireside import errors as e
from fireside.api.http.envelope import ErrorEnvelope
from fireside.api.http.scopes import Scoped
from fireside.api.http.wire_errors import wire_error_of
from fireside.store.tokens import TokenScope

Endpoint = Callable[..., Any]
"""A function that takes a request, or an ASGI application."""

GENERATING = (
    e.UnknownModel,
    e.InvalidModelId,
    e.ModelRetired,
    e.ContextOverflow,
    e.BadGrammar,
    e.ConstraintNotMet,
    e.LoraUnsupported,
    e.FineTuneNotFound,
    e.FineTuneIncomplete,
    e.FineTuneMismatch,
    e.FeatureUnavailable,
    e.CapacityError,
    e.ModelError,
)
"""Errors of text generation, in addition to those of every route and every body."""


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """Format of the errors of a group of routes.

    Args:
        body: type of the error body.
        status: HTTP status of a leaf of `fireside.errors`.
        frame: the last frame of a stream that breaks off, where the stream's own frames have no field for an error.
    """

    body: Any
    status: Callable[[type[BaseException]], int]
    frame: Any = None


ENVELOPE = ErrorShape(ErrorEnvelope, lambda kind: wire_error_of(kind).status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """Documentation of a route: its request, response and errors.

    Args:
        id: OpenAPI's operationId.
        tag: section of the document.
        summary: one line.
        result: type of the response, a dataclass.
        body: the pydantic model, or union of such, that checks the body. It is JSON whatever the content type.
        multipart: the parts of a multipart/form-data body, as JSON schemas.
        query: the pydantic model that checks the query.
        frames: type of a stream's frames, if the route can stream.
        raises: leaves and branches of `fireside.errors`, in addition to those of every route and every body.
        public: requires no token.
        scope: scope that the token needs; None for reading, which every token may do.
        errors: format of its errors.
    """

    id: str
    tag: str
    summary: str
    result: Any
    body: Any = None
    multipart: dict[str, Any] | None = None
    query: type[BaseModel] | None = None
    frames: Any = None
    raises: Sequence[type[e.FiresideError]] = field(default=())
    public: bool = False
    scope: TokenScope | None = None
    errors: ErrorShape = ENVELOPE


class Operation(Route):
    """A documented route for one HTTP method."""

    def __init__(self, method: str, path: str, endpoint: Endpoint, doc: Doc) -> None:
        super().__init__(path, endpoint, methods=[method])
        if doc.scope is not None:
            self.app = Scoped(self.app, doc.scope)
        self.method = method
        self.doc = doc
