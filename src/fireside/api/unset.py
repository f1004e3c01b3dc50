"""Fields of an answer that may be left out: their type has `Unset` in it, and their default is `UNSET`."""

from typing import Annotated, Any, NoReturn

from msgspec import UNSET, UnsetType
from pydantic_core import CoreSchema, PydanticOmit, core_schema

__all__ = ["UNSET", "Unset"]


class _LeftOut:
    """Tells pydantic what msgspec, which encodes the answers, knows of itself: such a field is not there."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.is_instance_schema(UnsetType)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: Any) -> NoReturn:
        raise PydanticOmit


Unset = Annotated[UnsetType, _LeftOut]
