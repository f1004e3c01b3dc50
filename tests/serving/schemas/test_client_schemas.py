"""Schemas as the usual libraries write them are held to; the few that cannot be are refused by name and place."""

import enum
import json
import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import jsonschema
import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, TypeAdapter

from fireside.errors import BadGrammar
from support.grammars import json_grammar, open_constraint, ramble, takes_value

FOLDER = Path(__file__).parents[2] / "data" / "client-schemas"
WRITTEN = [
    pytest.param(schema, id=f"{path.stem} {name}")
    for path in sorted(FOLDER.glob("*.json"))
    for name, schema in json.loads(path.read_text(encoding="utf-8")).items()
]
REFUSED = {
    "zod zod-to-json-schema jsonSchema2019-09 intersection": "/unevaluatedProperties",
    "zod zod-to-json-schema openAi set": "/properties/nothing/anyOf/0/not",
    "langchain function free": "/properties/v/anyOf/0/uniqueItems",
}


class Color(enum.Enum):
    red = "red"
    blue = "blue"


class Address(BaseModel):
    """Of a house."""

    street: str = Field(min_length=1)
    code: str = Field(pattern=r"^\d{5}$", examples=["12345"])
    where: tuple[float, float] | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog", "puppy"] = "dog"
    good: bool = True


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    value: int
    children: list["Tree"] = Field([], max_length=2)


class Add(BaseModel):
    op: Literal["add"]
    left: "Node"
    right: "Node"


class Number(BaseModel):
    op: Literal["number"]
    value: float


Node = Annotated[Add | Number, Field(discriminator="op")]
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    items: list[Item] = Field(max_length=3)
    total: int = Field(ge=0, multiple_of=2)


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid")

    when: datetime
    day: date
    clock: time
    span: timedelta
    key: uuid.UUID
    price: Decimal = Field(max_digits=5, decimal_places=2)
    link: AnyUrl
    address: IPv4Address
    raw: bytes
    path: Path
    counts: dict[str, int]
    by_color: dict[Color, int]
    prefixed: dict[Annotated[str, Field(pattern="^x_")], bool]
    mixed: tuple[int, str, bool]
    rest: tuple[int, ...] = Field((), max_length=3)
    anything: Any = Field(None, deprecated=True, title="Whatever", json_schema_extra={"x-order": 7})
    nothing: None = None
    constant: Literal[1, "a", None] = None


MODELS: list[Any] = [Color, Address, Tree, Page[Cat], Page[int], Everything, list[Pet], dict[str, Pet], Pet]


@pytest.mark.parametrize("schema", WRITTEN)
def test_schemas_of_other_libraries_are_held_to(schema: Any, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    if name in REFUSED:
        with pytest.raises(BadGrammar, match=f"at {REFUSED[name]}, cannot be used: "):
            json_grammar(schema)
    else:
        check_answers(schema)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mode", ["validation", "serialization"])
@pytest.mark.parametrize("references", ["#/$defs/{model}", "#/definitions/{model}"])
def test_schemas_of_pydantic_are_held_to(
    model: Any, mode: Literal["validation", "serialization"], references: str
) -> None:
    schema = TypeAdapter(model).json_schema(mode=mode, ref_template=references)
    schema[references.split("/")[1]] = schema.pop("$defs", {})
    for said in check_answers(schema):
        if model is not Everything:  # whose patterns say less than their types
            TypeAdapter(model).validate_json(said)


def test_a_union_within_itself_is_told_apart_by_its_tag() -> None:
    grammar = json_grammar(TypeAdapter(Node).json_schema())
    number = {"op": "number", "value": 1}
    assert takes_value(grammar, {"op": "add", "left": number, "right": {"op": "add", "left": number, "right": number}})
    assert not takes_value(grammar, {"op": "add", "left": number, "right": {"op": "number"}})


def test_a_set_is_refused_where_it_is() -> None:
    class Tags(BaseModel):
        tags: set[str]

    with pytest.raises(
        BadGrammar, match="at /properties/tags/uniqueItems, cannot be used: uniqueItems is not supported"
    ):
        json_grammar(Tags.model_json_schema())


def check_answers(schema: Any) -> list[str]:
    """What a model that knows nothing says fits, by another library."""
    grammar = json_grammar(schema)
    open_constraint(grammar)
    answers = [ramble(grammar, seed, most=60) for seed in range(3)]
    understood = as_plain_text(schema)
    drafts = (jsonschema.Draft202012Validator, jsonschema.Draft7Validator, jsonschema.Draft4Validator)
    validator = next(draft for draft in drafts if draft(draft.META_SCHEMA).is_valid(understood))
    for said in answers:
        validator(understood).validate(json.loads(said))
    return answers


def as_plain_text(schema: Any) -> Any:
    """The same with OpenAPI's `nullable`, which validators do not know, as a type."""
    if isinstance(schema, list):
        return [as_plain_text(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: as_plain_text(value) for key, value in schema.items() if key != "nullable"}
    if schema.get("nullable") is True and "type" in made:
        made["type"] = [made["type"], "null"]
    return made
