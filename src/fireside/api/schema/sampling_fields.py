"""The sampling parameters of both APIs.

A new one is one field here, of the name that it has in the engine's `Sampling`. Where one API has bounds of its own,
or a parameter that the other lacks, the field stands in that API's model.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from fireside.api.schema.nullable import NullIsUnset
from fireside.engine.types import Sampling


def whole(value: object) -> object:
    """1.0 as the integer that it is by JSON Schema's rule."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(whole)
"""1.0 is an integer."""

ZERO_IS_NONE = AfterValidator(lambda penalty: penalty or 1.0)


class SamplingFields(NullIsUnset):
    """What is not given is as `Sampling` has it."""

    temperature: Annotated[float, Field(ge=0, le=5, description="0 always picks the most likely token.")] = 0.6
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1), WHOLE] | None = None
    seed: Annotated[int, WHOLE] | None = None
    repetition_penalty: Annotated[float, Field(ge=0, le=2), ZERO_IS_NONE] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None

    def sampling(self, **more: Any) -> Sampling:
        """The engine's form of these fields.

        Args:
            more: parameters that the engine has other names for.
        """
        given = {name: getattr(self, name, None) for name in Sampling.__struct_fields__}
        return Sampling(**{name: value for name, value in given.items() if value is not None}, **more)
