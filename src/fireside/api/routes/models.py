"""Model search and schemas: `…/ai/models/search`, its tasks and authors, `…/ai/models/schema`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside.api.context import Context
from fireside.api.http.envelope import Envelope, ResultInfo, answer
from fireside.api.schema.json_schema import PublishedSchema, tidied, written_out
from fireside.api.schema.operation import Doc, Endpoint, Operation
from fireside.api.schema.run_input import TextInput, problem_lines
from fireside.api.schema.run_output import RunResult
from fireside.catalog.spec import ModelSpec
from fireside.errors import InvalidInput, InvalidModelId, UnknownModel


def _input_schema() -> dict[str, Any]:
    schema = TypeAdapter[TextInput](TextInput).json_schema()
    return {"type": "object", "oneOf": written_out(schema["anyOf"], schema["$defs"])}


def _output_schema() -> dict[str, Any]:
    schema = TypeAdapter(RunResult).json_schema(mode="serialization", schema_generator=PublishedSchema)
    whole = tidied(written_out(schema, schema["$defs"]))
    whole["required"] = ["response"]  # of the hosted service's own
    stream = {"type": "string", "contentType": "text/event-stream", "format": "binary"}
    return {"oneOf": [{"contentType": "application/json", **whole}, stream]}


INPUT_SCHEMA = _input_schema()
OUTPUT_SCHEMA = _output_schema()


@dataclass(frozen=True, slots=True)
class Task:
    """A task that models perform."""

    id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a model."""

    property_id: str
    value: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model in search results."""

    id: str
    source: int
    name: str
    description: str
    task: Task
    created_at: str
    tags: list[str]
    properties: list[Property]


@dataclass(frozen=True, slots=True)
class ModelSchema:
    """Input and output schemas of a model (JSON Schema)."""

    input: dict[str, Any]
    output: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a model."""

    name: str


TASK = Task(
    "c329a1f9-323d-4e91-b2aa-582dd4188d34",
    "Text Generation",
    "Family of generative text models, such as large language models (LLM), that can be adapted for a variety of "
    "natural language tasks.",
)
_SOURCES = {"@cf": 1, "@hf": 2}


class SearchQuery(BaseModel):
    """Query of the model search. No model is experimental, so hide_experimental has no effect."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=1, le=1000)] = 50
    author: str = ""
    search: str = ""
    task: str = ""
    source: int | None = None
    hide_experimental: bool = False


class SchemaQuery(BaseModel):
    """Query for a model's schema."""

    model: Annotated[str, Field(min_length=1, description="Model id, for example @hf/author/name.")]


def routes(context: Context) -> list[Route]:
    """Search and schema."""

    async def schema(request: Request) -> Response:
        context.service.resolve(_checked(SchemaQuery, request).model)
        return answer(ModelSchema(INPUT_SCHEMA, OUTPUT_SCHEMA))

    async def tasks(request: Request) -> Response:
        return answer([TASK])

    async def authors(request: Request) -> Response:
        names = sorted({_author(spec.id) for spec in context.service.models()})
        return answer([Author(name) for name in names])

    def get(path: str, endpoint: Endpoint, name: str, summary: str, result: object, **more: Any) -> Operation:
        doc = Doc(id=name, tag="Models", summary=summary, result=result, **more)
        return Operation("GET", f"/client/v4/accounts/{{account_id}}/ai/{path}", endpoint, doc)

    wanted = {"query": SearchQuery, "raises": [InvalidInput]}
    named = {"query": SchemaQuery, "raises": [InvalidInput, UnknownModel, InvalidModelId]}
    return [
        get(
            "models/search",
            search_endpoint(context),
            "searchModels",
            "Search models",
            Envelope[list[ModelFacts]],
            **wanted,
        ),
        get(
            "models/schema",
            schema,
            "getModelSchema",
            "Get a model's input and output schemas",
            Envelope[ModelSchema],
            **named,
        ),
        get("tasks/search", tasks, "listTasks", "List tasks", Envelope[list[Task]]),
        get("authors/search", authors, "listAuthors", "List authors", Envelope[list[Author]]),
    ]


def search_endpoint(context: Context) -> Callable[[Request], Awaitable[Response]]:
    """The model search: the REST API and the Workers binding have it at paths of their own."""

    async def search(request: Request) -> Response:
        query = _checked(SearchQuery, request)
        found = [spec for spec in context.service.models() if _matches(spec, query)]
        start = (query.page - 1) * query.per_page
        page = found[start : start + query.per_page]
        pages = -(-len(found) // query.per_page)
        info = ResultInfo(query.page, query.per_page, len(page), len(found), pages)
        return answer([describe(spec) for spec in page], result_info=info)

    return search


Query = TypeVar("Query", bound=BaseModel)


def _checked(kind: type[Query], request: Request) -> Query:
    """The query; an empty parameter counts as not given. Raises InvalidInput."""
    given = {name: value for name, value in request.query_params.items() if value}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(problem_lines(error)) from None


def describe(spec: ModelSpec) -> ModelFacts:
    """One model as the search lists it."""
    properties = [
        ("beta", "true" if spec.beta else None),
        ("lora", "true" if spec.lora else None),
        ("info", spec.info_url),
        ("context_window", str(spec.context_length)),
        *(("alias", alias) for alias in spec.aliases),
    ]
    return ModelFacts(
        id=str(spec.uuid),
        source=_source(spec.id),
        name=spec.id,
        description=spec.description,
        task=TASK,
        created_at=spec.created_at,
        tags=list(spec.tags),
        properties=[Property(name, value) for name, value in properties if value is not None],
    )


def _source(name: str) -> int:
    return _SOURCES[name.partition("/")[0]]


def _author(name: str) -> str:
    return name.split("/")[1]


def _matches(spec: ModelSpec, query: SearchQuery) -> bool:
    return (
        query.author.lower() in ("", *(_author(name).lower() for name in spec.names))
        and query.search.lower() in " ".join((*spec.names, spec.description)).lower()
        and query.task.lower() in ("", TASK.id, TASK.name.lower())
        and query.source in (None, _source(spec.id))
    )
