"""What Fireside knows of an engine while nothing of it runs: each engine's module has an `EngineType` named ENGINE."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from fireside.engine.options import EngineOptions
from fireside.engine.protocol import Progress
from fireside.engine.runner import Runner

if TYPE_CHECKING:
    from fireside.settings import Settings  # the engine's process has no use for it, nor for what it imports

OptionsT = TypeVar("OptionsT", bound=EngineOptions)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What weights take in an engine, in bytes.

    Args:
        weights: all of them, as the engine holds them.
        kv_per_token: keys and values of one token.
        step: what is read for one token of one answer.
    """

    weights: int
    kv_per_token: int
    step: int


def _nothing_missing(options: EngineOptions) -> Sequence[str]:
    return ()


def _no_settings(settings: "Settings", *, lora: bool) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineType(Generic[OptionsT]):
    """One kind of engine. The server reads it, the engine's process runs what `make_runner` makes.

    So its module imports nothing heavy: what only the engine's process needs is imported in `make_runner`.

    Args:
        kind: its name in catalog files, messages and logs.
        options: its class of options. Those that it adds to `EngineOptions` may stand in a catalog file's [engine].
        make_runner: load the model; called in the engine's process. Raises ModelError leaves.
        from_settings: those of its own options that the server's settings decide, where a catalog file does not.
            `lora`: whether requests may name adapters.
        requirements: what is missing on this machine for the engine to run with these options, a sentence each, with
            what to do. Called before each load and by `fireside doctor`: it should cost milliseconds.
        python: the interpreter that the engine needs, where it lives in another Python environment than the server.
            There, Fireside's engine process needs nothing but msgspec and what the engine itself imports.
        variables: environment variables that it may see beside those of every engine, such as which GPUs are its own;
            one that ends with `_` is how names begin. It gets no others: no fault in it shall give away a secret.
        lacks: fields of GenerationRequest and Sampling that it does not honour, and what users call them. A request
            that sets one is refused before it reaches the engine.
        needs_tokens: whether it is sent the `TokenTable`: a whole vocabulary, and of no use to an engine that holds
            answers to grammars by itself.
        reads_weights: whether the model's files must be such as `fireside.weights` reads. Then they are checked before
            a load, by `fireside doctor`, and when a fine-tune for the model is uploaded.
        footprint: what a checkpoint (or the catalog's description of one) takes; None where it cannot be told.
        cache_file: the file that it keeps for a checkpoint in `cache_dir`; None where it keeps none.
    """

    kind: str
    options: type[OptionsT]
    make_runner: Callable[[OptionsT, Progress], Runner]
    from_settings: Callable[..., Mapping[str, Any]] = _no_settings
    requirements: Callable[[OptionsT], Sequence[str]] = _nothing_missing
    python: Callable[[OptionsT], str] | None = None
    variables: Sequence[str] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
    needs_tokens: bool = True
    reads_weights: bool = True
    footprint: Callable[[Any, OptionsT], Footprint] | None = None
    cache_file: Callable[[Any, OptionsT], Path | None] | None = None

    @property
    def own_options(self) -> dict[str, Any]:
        """The types of the options that only this engine has, by name."""
        hints = get_type_hints(self.options, include_extras=True)
        return {name: hint for name, hint in hints.items() if name not in EngineOptions.__struct_fields__}

    def problems(self, own: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with options in a catalog file, a line each."""
        known = self.own_options
        for option in msgspec.structs.fields(self.options):
            if option.required and option.name not in own:
                yield f"engine.{option.name}: missing; the {self.kind} engine needs it"
        for name, value in own.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(known) or 'none'}"
                yield f"engine.{name}: unknown key; the {self.kind} engine has no such option ({hint})"
                continue
            try:
                msgspec.convert(value, known[name])
            except msgspec.ValidationError as error:
                yield f"engine.{name}: {_expected(known[name]) or error}, got {value!r}"

    def configure(self, own: Mapping[str, Any], **common: Any) -> OptionsT:
        """The options for a model.

        Args:
            own: what the engine adds to `EngineOptions`; what a catalog file says of it was checked by `problems`.
            common: fields of `EngineOptions`.
        """
        known = self.own_options
        return self.options(**common, **{name: msgspec.convert(value, known[name]) for name, value in own.items()})


def _expected(hint: Any) -> str:
    """What a value must be, for the types that msgspec describes in its own words only."""
    if get_origin(hint) is Literal:
        return f"must be one of {', '.join(map(repr, get_args(hint)))}"
    return ""
