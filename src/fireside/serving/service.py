"""Text in, text out: catalog, prompting and engine joined."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.engine.types import GenerationRequest, Token
from fireside.errors import EngineLost
from fireside.prompting import Detokenizer, build_prompt
from fireside.serving.pool import ModelPool
from fireside.serving.preview import Previewer
from fireside.serving.stops import StopTexts
from fireside.serving.types import Delta, ModelStatus, Preview, TextRequest, Usage
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
            ids = await asyncio.to_thread(
                build_prompt,
                prompt=request.prompt,
                messages=request.messages,
                raw=request.raw,
                spec=spec.prompt,
                tokenizer=model.tokenizer,
            )
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
            )
            detokenizer = Detokenizer(model.tokenizer, strip_leading_space=not request.raw)
            stops = StopTexts(request.stop)
            # Engines make async generators; the protocol only promises iteration.
            tokens = cast(AsyncGenerator[Token, None], model.engine.generate(generation))
            async with aclosing(tokens):
                async for token in tokens:
                    meter.prompt_tokens = len(ids)  # only now: a request that was refused has used nothing
                    finish = token.finish_reason
                    meter.completion_tokens += finish != "stop"
                    text = "" if finish == "stop" else detokenizer.push(token.id)
                    text = stops.push(text + detokenizer.finish() if finish else text)
                    if finish and not stops.found:
                        text += stops.finish()
                    if finish or stops.found:
                        usage = Usage(meter.prompt_tokens, meter.completion_tokens)
                        yield Delta(text, "stop" if stops.found else finish, usage)
                        return
                    if text:
                        yield Delta(text)
        raise EngineLost("The engine ended without finishing this answer. Send the request again.")

    async def close(self) -> None:
        """End all engines."""
        await self._pool.close()
