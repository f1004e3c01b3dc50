"""A route that says what it takes and gives: the router serves it, and the OpenAPI document describes it."""

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
"""A function of a request, or an ASGI application."""

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
"""What a text generation raises beside what every route and every body may."""


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """What errors look like on some routes.

    Args:
        body: what is encoded.
        status: HTTP status of a leaf of `fireside.errors`.
        frame: the last frame of a stream that breaks off, where the stream's own frames have no field for an error.
    """

    body: Any
    status: Callable[[type[BaseException]], int]
    frame: Any = None


ENVELOPE = ErrorShape(ErrorEnvelope, lambda kind: wire_error_of(kind).status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """What a route takes and gives.

    Args:
        id: OpenAPI's operationId.
        tag: heading that it stands under.
        summary: one line.
        result: what is encoded: a dataclass.
        body: the pydantic model, or union of such, that checks the body. It is JSON whatever the content type.
        multipart: the parts of a multipart/form-data body, as JSON schemas.
        query: the pydantic model that checks the query.
        frames: what each frame of a stream is, where the route can stream.
        raises: leaves and branches of `fireside.errors`, beside those that every route and every body may raise.
        public: needs no token.
        scope: what its token must allow; None: reading, which every token may.
        errors: what its errors look like.
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
    """A described route of one method."""

    def __init__(self, method: str, path: str, endpoint: Endpoint, doc: Doc) -> None:
        super().__init__(path, endpoint, methods=[method])
        if doc.scope is not None:
            self.app = Scoped(self.app, doc.scope)
        self.method = method
        self.doc = doc
