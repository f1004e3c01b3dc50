"""What models there are, and what they take: `…/ai/models/search`, its tasks and authors, `…/ai/models/schema`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside.api.context import Context
from fireside.api.envelope import answer
from fireside.api.inputs import problem_lines
from fireside.api.schema import INPUT_SCHEMA, OUTPUT_SCHEMA
from fireside.catalog.spec import ModelSpec
from fireside.errors import InvalidInput, UnknownModel
from fireside.serving.types import TextService

TASK = {
    "id": "c329a1f9-323d-4e91-b2aa-582dd4188d34",
    "name": "Text Generation",
    "description": "Family of generative text models, such as large language models (LLM), that can be adapted for a "
    "variety of natural language tasks.",
}
_SOURCES = {"@cf": 1, "@hf": 2}


class SearchQuery(BaseModel):
    """Query of the model search. No model here is experimental, so hide_experimental hides none."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    page: Annotated[int, Field(ge=1)] = 1
    per_page: Annotated[int, Field(ge=1, le=1000)] = 50
    author: str = ""
    search: str = ""
    task: str = ""
    source: int | None = None
    hide_experimental: bool = False


def routes(context: Context) -> list[Route]:
    """Search and schema."""

    async def schema(request: Request) -> Response:
        model = request.query_params.get("model", "")
        if not model:
            raise InvalidInput(["model: name the model in the query, as in ?model=@hf/author/name"])
        context.service.resolve(model)
        return answer({"input": INPUT_SCHEMA, "output": OUTPUT_SCHEMA})

    async def tasks(request: Request) -> Response:
        return answer([TASK])

    async def authors(request: Request) -> Response:
        names = sorted({_author(spec) for spec in context.service.models()})
        return answer([{"name": name} for name in names])

    return [
        Route("/client/v4/accounts/{account_id}/ai/models/search", search_endpoint(context)),
        Route("/client/v4/accounts/{account_id}/ai/models/schema", schema),
        Route("/client/v4/accounts/{account_id}/ai/tasks/search", tasks),
        Route("/client/v4/accounts/{account_id}/ai/authors/search", authors),
    ]


def search_endpoint(context: Context) -> Callable[[Request], Awaitable[Response]]:
    """The model search: the REST API and the Workers binding have it at paths of their own."""

    async def search(request: Request) -> Response:
        try:
            given = {name: value for name, value in request.query_params.items() if value}
            query = SearchQuery.model_validate(given)
        except ValidationError as error:
            raise InvalidInput(problem_lines(error)) from None
        found = [spec for spec in context.service.models() if _matches(spec, query)]
        start = (query.page - 1) * query.per_page
        page = found[start : start + query.per_page]
        info = {"page": query.page, "per_page": query.per_page, "count": len(page), "total_count": len(found)}
        return answer([describe(spec) for spec in page], extra={"result_info": info})

    return search


def exact_model(service: TextService, model: str) -> ModelSpec:
    """The very model of this id, and no stand-in for it. Raises UnknownModel, InvalidModelId."""
    for spec in service.models():
        if spec.id == model:
            return spec
    service.resolve(model)
    raise UnknownModel(f"No such model {model} or task")


def describe(spec: ModelSpec) -> dict[str, Any]:
    """One model as the search lists it."""
    properties = [
        ("beta", "true" if spec.beta else None),
        ("lora", "true" if spec.lora else None),
        ("info", spec.info_url),
        ("context_window", str(spec.context_length)),
    ]
    return {
        "id": str(spec.uuid),
        "source": _source(spec),
        "name": spec.id,
        "description": spec.description,
        "task": TASK,
        "created_at": spec.created_at,
        "tags": list(spec.tags),
        "properties": [{"property_id": name, "value": value} for name, value in properties if value is not None],
    }


def _source(spec: ModelSpec) -> int:
    return _SOURCES[spec.id.partition("/")[0]]


def _author(spec: ModelSpec) -> str:
    return spec.id.split("/")[1]


def _matches(spec: ModelSpec, query: SearchQuery) -> bool:
    return (
        query.author.lower() in ("", _author(spec).lower())
        and query.search.lower() in f"{spec.id} {spec.description}".lower()
        and query.task.lower() in ("", TASK["id"], TASK["name"].lower())
        and query.source in (None, _source(spec))
    )
