"""The vLLM engine: requests wait here for their grammar and adapter, and then run in vLLM's engine core."""

import logging
import time
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from fireside.engine.grammar.compiler import GrammarCompiler
from fireside.engine.outcomes import check_request, has_ended, text_outcomes
from fireside.engine.protocol import Progress
from fireside.engine.runner import Outcome
from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token, pack_scores
from fireside.engine.vllm.adapters import AdapterSlots
from fireside.engine.vllm.core import Core, cached_loras
from fireside.engine.vllm.grammar import Grammar
from fireside.engine.vllm.options import VllmOptions
from fireside.engine.vllm.sampling import prompt_scores, sampling_params, token_scores
from fireside.errors import EngineFailed, FiresideError

logger = logging.getLogger(__name__)

WAITING_SLEEP = 0.002
"""Seconds between two looks at what all requests wait for."""

MAX_OVERTAKES = 32
"""Requests whose adapter has a slot that may go before one that waits for a slot."""


@dataclass(slots=True)
class _Waiting:
    """A request that vLLM does not have yet. `compiling` is a future of its constraint."""

    request: GenerationRequest
    compiling: Any = None
    overtaken: int = 0


@dataclass(slots=True)
class _Running:
    """A request that vLLM has. `generated` counts the tokens of its answer's text."""

    request: GenerationRequest
    grammar: Grammar | None = None
    generated: int = 0


class VllmRunner:
    """Implements `fireside.engine.runner.Runner`."""

    def __init__(self, options: VllmOptions, progress: Progress) -> None:
        started = time.monotonic()
        self._grammars = GrammarCompiler(options.tokens)
        self._core = core = Core(options, progress)
        self._adapters: AdapterSlots | None = None
        if options.max_loras:
            self._adapters = AdapterSlots(core.add_lora, core.remove_lora, options.max_loras, cached_loras(options))
        self._waiting: dict[int, _Waiting] = {}
        self._running: dict[int, _Running] = {}
        self._info = EngineInfo(
            context_length=core.context_length,
            max_num_seqs=core.max_num_seqs,
            vocab_size=core.vocab_size,
            load_seconds=time.monotonic() - started,
        )
        self._prompt_tokens = self._reused_tokens = self._generated_tokens = self._decode_steps = 0

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return bool(self._waiting) or self._core.busy

    def submit(self, request_id: int, request: GenerationRequest) -> None:
        check_request(request, self._core.vocab_size, adapters=self._adapters is not None)
        waiting = _Waiting(request)
        if request.grammar is not None:
            waiting.compiling = self._grammars.compile(request.grammar, self._core.vocab_size, request.account)
        if request.adapter is not None:
            assert self._adapters is not None
            self._adapters.read_ahead(request.adapter)
        self._waiting[request_id] = waiting

    def cancel(self, request_id: int) -> None:
        if (waiting := self._waiting.pop(request_id, None)) is not None and waiting.compiling is not None:
            waiting.compiling.cancel()
        if request_id in self._running:
            self._finish(request_id)

    def step(self) -> list[tuple[int, Outcome]]:
        outcomes = self._start_waiting()
        if not self._core.busy:
            if self._waiting:
                time.sleep(WAITING_SLEEP)  # for an adapter's file or a grammar
            return outcomes
        outputs = self._core.step()
        self._decode_steps += bool(outputs)
        for output in outputs:
            outcomes += self._advance(output)
        return outcomes

    def stats(self) -> EngineStats:
        return EngineStats(
            running=len(self._running),
            waiting=len(self._waiting),
            prompt_tokens=self._prompt_tokens,
            reused_tokens=self._reused_tokens,
            generated_tokens=self._generated_tokens,
            decode_steps=self._decode_steps,
        )

    def _start_waiting(self) -> list[tuple[int, Outcome]]:
        """Hand vLLM what is ready, in the order of arrival except as `_may_go` says."""
        outcomes: list[tuple[int, Outcome]] = []
        kept_back: list[_Waiting] = []
        for request_id, waiting in list(self._waiting.items()):
            if not self._may_go(waiting, kept_back):
                continue
            try:
                started = self._start(request_id, waiting)
            except FiresideError as error:
                del self._waiting[request_id]
                outcomes.append((request_id, error))
                continue
            if started:
                del self._waiting[request_id]
                if waiting.request.adapter is not None:
                    for other in kept_back:
                        other.overtaken += 1
            else:
                kept_back.append(waiting)
        return outcomes

    def _may_go(self, waiting: _Waiting, kept_back: list[_Waiting]) -> bool:
        """Whether a request may try to start: a slot that becomes free is for the first that waits for one."""
        if waiting.compiling is not None and not waiting.compiling.done():
            return False
        adapter = waiting.request.adapter
        if adapter is None or not kept_back:
            return True
        assert self._adapters is not None
        return self._adapters.in_use(adapter) and kept_back[0].overtaken < MAX_OVERTAKES

    def _start(self, request_id: int, waiting: _Waiting) -> bool:
        """Hand a request to vLLM; False where its adapter has no slot yet. Raises BadGrammar, EngineFailed."""
        request = waiting.request
        grammar = None
        if waiting.compiling is not None:
            grammar = Grammar(waiting.compiling.result(), request.stop_ids)
        lora = None
        if (adapter := request.adapter) is not None:
            assert self._adapters is not None
            if (number := self._adapters.acquire(adapter)) is None:
                return False
            lora = (adapter.id, number, adapter.folder)
        try:
            self._core.add(
                str(request_id),
                request.prompt_ids,
                sampling_params(request),
                salt=f"{len(request.account)}:{request.account}{request.cache_salt}",
                lora=lora,
                grammar=grammar,
            )
        except Exception as error:
            if adapter is not None and self._adapters is not None:
                self._adapters.release(adapter)
            logger.exception("vLLM rejects a request")
            raise EngineFailed(f"vLLM rejects this request ({type(error).__name__}).") from error
        self._running[request_id] = _Running(request, grammar)
        return True

    def _finish(self, request_id: int) -> None:
        """Forget a running request; vLLM drops it if it has not yet."""
        running = self._running.pop(request_id)
        self._core.abort(str(request_id))
        if running.request.adapter is not None and self._adapters is not None:
            self._adapters.release(running.request.adapter)

    def _advance(self, output: Any) -> list[tuple[int, Outcome]]:
        """What one request's part of a step comes to."""
        request_id = int(output.request_id)
        running = self._running.get(request_id)
        if running is None:  # cancelled meanwhile
            return []
        is_first = running.generated == 0
        outcomes: list[Outcome] = []
        for index, token in enumerate(output.new_token_ids):
            outcomes += self._token(running, output, index, token)
            if has_ended(outcomes):
                break
        if output.finished and not (outcomes and has_ended(outcomes)):
            outcomes.append(EngineFailed(f"vLLM ended this answer ({output.finish_reason})."))
        if is_first:
            self._report_prompt(running.request, output, outcomes)
        if outcomes and has_ended(outcomes):
            self._finish(request_id)
        return [(request_id, outcome) for outcome in outcomes]

    def _report_prompt(self, request: GenerationRequest, output: Any, outcomes: list[Outcome]) -> None:
        """Count the prompt; the answer's first token says what was reused of it, and its scores."""
        reused = output.prefill_stats.num_cached_tokens if output.prefill_stats is not None else 0
        self._prompt_tokens += len(request.prompt_ids)
        self._reused_tokens += reused
        logprobs = output.new_prompt_logprobs_tensors
        if (reused or logprobs is not None) and outcomes and isinstance(outcomes[0], Token):
            packed = pack_scores(prompt_scores(logprobs)) if logprobs is not None else b""
            outcomes[0] = structs.replace(outcomes[0], reused=reused, prompt=packed)

    def _token(self, running: _Running, output: Any, index: int, token: int) -> list[Outcome]:
        """The outcomes of one new token."""
        request, grammar = running.request, running.grammar
        if grammar is not None and grammar.fault is not None:
            return [grammar.fault]
        scored = None if output.new_logprobs is None else token_scores(output.new_logprobs, index)
        if token in request.stop_ids:
            return [Token(token, "stop", scores=scored)]
        running.generated += 1
        self._generated_tokens += 1
        constraint = None if grammar is None else grammar.constraint
        return text_outcomes(request, token, running.generated, constraint, scored)
