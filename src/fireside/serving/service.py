"""Text in, text out: catalog, prompting and engine joined."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.engine.types import GenerationRequest, Token
from fireside.errors import EngineLost, FormNotMet
from fireside.prompting import Vocabulary, build_prompt
from fireside.serving.grammars import grammar_of
from fireside.serving.notes import note_of
from fireside.serving.pool import ModelPool
from fireside.serving.preview import Previewer
from fireside.serving.reader import AnswerReader
from fireside.serving.types import Delta, Meter, ModelStatus, Preview, TextRequest, Usage
from fireside.settings import Settings
from fireside.weights.locate import is_downloaded


class Service:
    """Implements `fireside.serving.types.TextService`."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._pool = ModelPool(settings)
        self._previewer = Previewer(settings)

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
        return await asyncio.to_thread(self._previewer.preview, request, spec, loaded)

    async def load(self, model: str) -> None:
        """Load a model before anyone asks for it. Raises as `generate` does."""
        async with self._pool.use(self.resolve(model)):
            pass

    async def generate(self, request: TextRequest) -> AsyncIterator[Delta]:
        """See `TextService.generate`."""
        spec = self.resolve(request.model)
        async with self._pool.use(spec) as model:
            ids, grammar = await asyncio.to_thread(_prepare, request, spec, model.tokenizer)
            meter = request.meter
            room = max(1, model.context_length - len(ids)) if request.clip else request.max_tokens
            generation = GenerationRequest(
                prompt_ids=ids,
                max_tokens=min(request.max_tokens, room),
                sampling=request.sampling,
                stop_ids=model.stop_ids,
                adapter=request.adapter,
                tenant=request.tenant,
                wait=request.wait,
                grammar=grammar,
            )
            reader = AnswerReader(request, model.tokenizer)
            # Engines make async generators; the protocol only promises iteration.
            tokens = cast(AsyncGenerator[Token, None], model.engine.generate(generation))
            async with aclosing(tokens):
                try:
                    async for token in tokens:
                        meter.prompt_tokens = len(ids)  # only now: a request that was refused has used nothing
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
    return Usage(meter.prompt_tokens, meter.completion_tokens)


def _prepare(request: TextRequest, spec: ModelSpec, tokenizer: Vocabulary) -> tuple[list[int], str | None]:
    """The prompt's ids, and the answer's grammar. Raises BadGrammar, InvalidInput, UnsupportedWeights."""
    grammar = grammar_of(request, spaced=tokenizer.strips_leading_space and not request.raw)
    ids = build_prompt(
        prompt=request.prompt,
        messages=request.messages,
        raw=request.raw,
        note=note_of(request),
        spec=spec.prompt,
        tokenizer=tokenizer,
    )
    return ids, grammar
