"""Text in, text out: catalog, prompting and engine joined."""

import hashlib
from array import array
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import msgspec

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.engine.types import GenerationRequest, Token
from fireside.errors import ConstraintNotMet, ContextOverflow, EngineLost, InvalidInput
from fireside.prompting import ChatFormat, PromptTooLong, Vocabulary, build_prompt, format_of
from fireside.serving.checks import GrammarChecks
from fireside.serving.grammars import Grammars, has_grammar
from fireside.serving.known_tokens import check_known
from fireside.serving.notes import note_of, offer_of
from fireside.serving.pool import LoadedModel, ModelPool
from fireside.serving.preview import Previewer
from fireside.serving.reader import AnswerReader
from fireside.serving.stand_ins import StandIns
from fireside.serving.tokens import PromptReport, TokenReport, prompt_report
from fireside.serving.types import Delta, ModelStatus, Preview, TextRequest
from fireside.settings import Settings
from fireside.shares import Lanes
from fireside.weights.locate import is_downloaded

_PROMPT_THREADS = 2
"""One for each of two accounts: tokenizing is quick, except for what nobody should send."""

_PROMPT_QUEUE = 1024

_THOUGHT_TOKENS = 16
"""From the end of a prompt, which hold the beginning of a thought if there is one."""


class Service:
    """Implements `fireside.serving.types.TextService`."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._stand_ins = StandIns(settings.stand_in, catalog, partial(is_downloaded, settings.data_dir))
        self._pool = ModelPool(settings)
        self._renderer = TemplateRenderer()
        self._previewer = Previewer(settings, self._renderer)
        self._lanes = Lanes(_PROMPT_THREADS, queue=_PROMPT_QUEUE, name="prompt")
        self._grammars = Grammars()
        self._checks = GrammarChecks()

    def models(self) -> list[ModelSpec]:
        """See `TextService.models`."""
        return self._catalog.all()

    def resolve(self, model: str) -> ModelSpec:
        """See `TextService.resolve`."""
        return self._stand_ins.answering(self._catalog.get(model))

    async def status(self, model: str) -> ModelStatus:
        """See `TextService.status`."""
        return await self._pool.status(self._catalog.get(model))

    async def preview(self, request: TextRequest) -> Preview:
        """See `TextService.preview`."""
        spec = self.resolve(request.model)
        loaded = self._pool.tokenizer(spec)
        return await self._lanes.run(request.account, lambda: self._previewer.preview(request, spec, loaded))

    async def load(self, model: str) -> None:
        """Load a model before anyone asks for it. Raises as `generate` does."""
        async with self._pool.use(self._catalog.get(self.resolve(model).id)):
            pass

    async def unload(self, model: str) -> bool:
        """End a model's engine; returns whether there was one. Raises Busy while requests use it."""
        return await self._pool.unload(self._catalog.get(model))

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """See `TextService.generate`."""
        answering = request.answering or self.resolve(request.model)
        async with self._pool.use(self._catalog.get(answering.id)) as model:
            context = min(model.context_length, answering.context_length)
            grammar = await self._grammar(request, model)
            generation, ids = await self._lanes.run(
                request.account, lambda: _prepare(request, model, grammar, context, self._renderer)
            )
            usage = request.usage
            chat = format_of(model.spec.prompt, model.tokenizer)
            reader = AnswerReader(request, model.tokenizer, chat, thinks=_thinks(ids, chat, model.tokenizer))
            async with (
                model.admission.admitted(generation, len(ids), usage, wait=request.wait),
                aclosing(_tokens(model, generation, ids)) as tokens,
            ):
                try:
                    async for token in tokens:
                        is_first = not usage.prompt_tokens
                        usage.prompt_tokens = len(ids)  # only now: a request that was refused has used nothing
                        usage.cached_tokens += token.reused
                        if request.max_tokens:
                            usage.completion_tokens += token.finish_reason != "stop"
                            delta = reader.push(token)
                        else:
                            delta = Delta("", "length")
                        if is_first and (request.echo or request.tell_ids):
                            prompt = await self._prompt_report(request, model, ids, token)
                            delta = replace(delta, tokens=replace(delta.tokens or TokenReport(), prompt=prompt))
                        if delta.finish_reason:
                            yield replace(delta, usage=usage)
                            return
                        if is_first or delta.text or delta.tool_calls or delta.tokens:
                            yield delta  # the first one even where it is empty: the answer has begun
                except ConstraintNotMet:
                    if not reader.has_calls:
                        raise
                    # Calls that are whole are not lost with one that max_tokens cut.
                    yield Delta("", "length", usage)
                    return
        raise EngineLost("The engine ended without finishing this answer. Send the request again.")

    async def _grammar(self, request: TextRequest, model: LoadedModel) -> str | None:
        """The checked grammar of a request's answer. Before anything else: what is refused should cost little."""
        if not has_grammar(request):
            return None
        spaced = model.tokenizer.strips_leading_space and not request.goes_on
        dialect = format_of(model.spec.prompt, model.tokenizer).dialect
        grammar = await self._lanes.run(request.account, lambda: self._grammars.of(request, dialect, spaced=spaced))
        await self._checks.check(request.account, grammar)
        return grammar.text

    async def _prompt_report(
        self, request: TextRequest, model: LoadedModel, ids: "array[int]", first: Token
    ) -> PromptReport:
        if not request.echo:
            return PromptReport(ids)
        scores = None if request.scores is None else first.prompt
        return await self._lanes.run(
            request.account, lambda: prompt_report(model.tokenizer, ids, request.prompt, scores)
        )

    async def close(self) -> None:
        """End all engines, and the processes that check grammars and render templates."""
        self._checks.close()
        self._renderer.close()
        await self._pool.close()


def _tokens(model: LoadedModel, generation: GenerationRequest, ids: "array[int]") -> AsyncGenerator[Token, None]:
    whole = msgspec.structs.replace(generation, prompt_ids=ids.tolist())
    return model.engine.generate(whole)


def _prepare(
    request: TextRequest, model: LoadedModel, grammar: str | None, context: int, renderer: TemplateRenderer
) -> tuple[GenerationRequest, "array[int]"]:
    """The request in the engine's terms, and apart from it the prompt's ids, packed: many requests may have to wait.

    Whether the two fit the context, admission says. Raises ContextOverflow for a prompt that alone does not, or where
    the id has less than the model that stands in for it; InvalidInput, UnsupportedWeights.

    Args:
        context: most tokens of prompt and answer.
    """
    _check_ids(request, model.vocab_size)
    least = 1 if request.clip else max(1, request.max_tokens)  # the one token that max_tokens 0 costs is not shown
    ids = _prompt_ids(request, model, least, context, renderer)
    if len(ids) + least > context < model.context_length:
        raise ContextOverflow(len(ids), least, context)
    generation = GenerationRequest(
        prompt_ids=[],
        max_tokens=max(least, min(request.max_tokens, context - len(ids))) if request.clip else least,
        sampling=request.sampling,
        # A form that is complete has an end, whoever ignores the model's.
        stop_ids=[*([] if request.ignore_end and grammar is None else model.stop_ids), *request.stop_ids],
        adapter=request.adapter,
        account=request.account,
        cache_salt=_digest(request.cache_salt),
        grammar=grammar,
        keep_cut=request.keep_cut,
        scores=request.scores,
        score_prompt=request.echo and request.scores is not None,
    )
    return generation, ids


def _prompt_ids(
    request: TextRequest, model: LoadedModel, least: int, context: int, renderer: TemplateRenderer
) -> "array[int]":
    if request.prompt_ids is not None:
        return array("i", request.prompt_ids)
    try:
        ids = build_prompt(
            prompt=request.prompt,
            messages=request.messages,
            raw=request.raw,
            note=note_of(request),
            offer=offer_of(request),
            spec=model.spec.prompt,
            tokenizer=model.tokenizer,
            most=context,
            renderer=renderer,
        )
    except PromptTooLong as error:
        raise ContextOverflow(error.least, least, context, at_least=True) from None
    field, style = "prompt" if request.messages is None else "messages", None if request.raw else model.spec.prompt
    check_known(ids, model.vocab_size, model.tokenizer, field=field, style=style)
    return array("i", ids)


def _thinks(ids: "array[int]", chat: ChatFormat, tokenizer: Vocabulary) -> bool:
    """Whether the prompt ends with the beginning of a thought."""
    if chat.thinking is None:
        return False
    end = b"".join(map(tokenizer.spelling, ids[-_THOUGHT_TOKENS:]))
    return end.rstrip().endswith(chat.thinking[0].encode())


def _digest(cache_salt: str) -> str:
    return hashlib.sha256(cache_salt.encode()).hexdigest() if cache_salt else ""


def _check_ids(request: TextRequest, vocab_size: int) -> None:
    """Raises InvalidInput for ids of tokens that there are not."""
    sampling = request.sampling
    named: dict[str, Collection[int]] = {
        "prompt": request.prompt_ids or (),
        "logit_bias": sampling.logit_bias,
        "allowed_token_ids": sampling.allowed_ids,
        "stop_token_ids": request.stop_ids,
    }
    for field, ids in named.items():
        if ids and not 0 <= min(ids) <= (highest := max(ids)) < vocab_size:
            wrong = min(ids) if highest < vocab_size else highest
            raise InvalidInput([f"{field}: there is no token {wrong}; ids go from 0 to {vocab_size - 1}"])
