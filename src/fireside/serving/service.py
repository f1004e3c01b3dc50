"""Text in, text out: catalog, prompting and engine joined."""

from array import array
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import msgspec

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.engine.types import GenerationRequest, Token
from fireside.errors import ContextOverflow, EngineLost, FormNotMet
from fireside.prompting import PromptTooLong, build_prompt
from fireside.serving.grammars import grammar_of
from fireside.serving.notes import note_of
from fireside.serving.pool import LoadedModel, ModelPool
from fireside.serving.preview import Previewer
from fireside.serving.reader import AnswerReader
from fireside.serving.types import Delta, Meter, ModelStatus, Preview, TextRequest, Usage
from fireside.settings import Settings
from fireside.shares import Lanes
from fireside.weights.locate import is_downloaded

_PROMPT_THREADS = 2
"""One for each of two accounts: tokenizing is quick, but for what nobody should send."""

_PROMPT_QUEUE = 1024


class Service:
    """Implements `fireside.serving.types.TextService`."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._pool = ModelPool(settings)
        self._previewer = Previewer(settings)
        self._lanes = Lanes(_PROMPT_THREADS, queue=_PROMPT_QUEUE, name="prompt")

    def models(self) -> list[ModelSpec]:
        """See `TextService.models`."""
        return self._catalog.all()

    def resolve(self, model: str) -> ModelSpec:
        """See `TextService.resolve`."""
        spec = self._catalog.get(model)
        if self._settings.stand_in and not is_downloaded(self._settings.data_dir, spec):
            return self._catalog.get(self._settings.stand_in)
        return spec

    async def status(self, model: str) -> ModelStatus:
        """See `TextService.status`."""
        return await self._pool.status(self._catalog.get(model))

    async def preview(self, request: TextRequest) -> Preview:
        """See `TextService.preview`."""
        spec = self.resolve(request.model)
        loaded = self._pool.tokenizer(spec)
        return await self._lanes.run(request.tenant, lambda: self._previewer.preview(request, spec, loaded))

    async def load(self, model: str) -> None:
        """Load a model before anyone asks for it. Raises as `generate` does."""
        async with self._pool.use(self.resolve(model)):
            pass

    async def unload(self, model: str) -> bool:
        """End a model's engine; returns whether there was one. Raises Busy while requests use it."""
        return await self._pool.unload(self._catalog.get(model))

    async def generate(self, request: TextRequest) -> AsyncIterator[Delta]:
        """See `TextService.generate`."""
        spec = self.resolve(request.model)
        async with self._pool.use(spec) as model:
            generation, ids = await self._lanes.run(request.tenant, lambda: _prepare(request, model))
            meter = request.meter
            reader = AnswerReader(request, model.tokenizer)
            async with (
                model.places.held(request.tenant, wait=request.wait),
                aclosing(_tokens(model, generation, ids)) as tokens,
            ):
                try:
                    async for token in tokens:
                        meter.prompt_tokens = len(ids)  # only now: a request that was refused has used nothing
                        meter.cached_tokens += token.reused
                        meter.completion_tokens += token.finish_reason != "stop"
                        delta = reader.push(token)
                        if delta.finish_reason:
                            yield replace(delta, usage=_usage(meter))
                            return
                        if delta.text or delta.tool_calls:
                            yield delta
                except FormNotMet:
                    if not reader.has_calls:
                        raise
                    # Calls that are whole are not lost with one that max_tokens cut.
                    yield Delta("", "length", _usage(meter))
                    return
        raise EngineLost("The engine ended without finishing this answer. Send the request again.")

    async def close(self) -> None:
        """End all engines."""
        await self._pool.close()


def _usage(meter: Meter) -> Usage:
    return Usage(meter.prompt_tokens, meter.completion_tokens, meter.cached_tokens)


def _tokens(model: LoadedModel, generation: GenerationRequest, ids: "array[int]") -> AsyncGenerator[Token, None]:
    whole = msgspec.structs.replace(generation, prompt_ids=ids.tolist())
    # Engines make async generators; the protocol only promises iteration.
    return cast(AsyncGenerator[Token, None], model.engine.generate(whole))


def _prepare(request: TextRequest, model: LoadedModel) -> tuple[GenerationRequest, "array[int]"]:
    """The request in the engine's terms, and apart from it the prompt's ids, packed: many requests may have to wait.

    Raises BadGrammar, ContextOverflow, InvalidInput, UnsupportedWeights.
    """
    tokenizer, context = model.tokenizer, model.context_length
    grammar = grammar_of(request, spaced=tokenizer.strips_leading_space and not request.goes_on)
    least = 1 if request.clip else request.max_tokens
    try:
        ids = build_prompt(
            prompt=request.prompt,
            messages=request.messages,
            raw=request.raw,
            note=note_of(request),
            spec=model.spec.prompt,
            tokenizer=tokenizer,
            most=context,
        )
    except PromptTooLong as error:
        raise ContextOverflow(error.least, least, context, at_least=True) from None
    if len(ids) + least > context:
        raise ContextOverflow(len(ids), least, context)
    generation = GenerationRequest(
        prompt_ids=[],
        max_tokens=min(request.max_tokens, context - len(ids)) if request.clip else request.max_tokens,
        sampling=request.sampling,
        stop_ids=model.stop_ids,
        adapter=request.adapter,
        tenant=request.tenant,
        grammar=grammar,
    )
    return generation, array("i", ids)
