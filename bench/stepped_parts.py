"""The parts whose steps are counted: conversations one after the other, and prompts that wait for each other."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import conversations, waiting
from bench.conversations import ConversationTurn, ConversationWork, FiresideConversations, LlamaConversations
from bench.model import FULL_LAYERS, QUICK_LAYERS, mistral_7b
from bench.peers.llama_cpp import BINARIES, LlamaCpp, find_binaries
from bench.plan import SMALL_MODEL, Plan
from bench.rounds import run_rounds
from bench.waiting import FiresideWaiting, LlamaWaiting, WaitingTurn, WaitingWork
from bench.workload import Contender, Unavailable
from fireside.catalog.loader import Catalog
from fireside.engine.onnx.options import OnnxOptions, WeightsMode
from fireside.settings import load_settings
from fireside.weights.download.pull import pull

_PEER = "llama-server Q4_1"


@dataclass(frozen=True, slots=True)
class SteppedModel:
    """A model whose steps are counted.

    Args:
        fireside: what the engine loads.
        gguf: what llama.cpp's server loads; None where it takes no part.
    """

    title: str
    fireside: Path
    weights: WeightsMode
    gguf: Path | None

    def options(self, plan: Plan, max_num_seqs: int, context_length: int) -> OnnxOptions:
        return OnnxOptions(
            model_path=str(self.fireside),
            cache_dir=str(plan.work / "stepped-cache"),
            context_length=context_length,
            max_num_seqs=max_num_seqs,
            threads=plan.threads,
            weights=self.weights,
        )


def _stepped_models(plan: Plan) -> Iterator[SteppedModel]:
    """SmolLM2, and four layers of the large model: in 4 bits, and in f32 (not with --quick)."""
    small = pull(Catalog.load().get(SMALL_MODEL), load_settings().data_dir)
    has_peer = "llama.cpp" in plan.peers
    small_gguf = next(small.glob("*.gguf")) if has_peer else None
    yield SteppedModel("SmolLM2-135M-Instruct, f32", small, "f32", small_gguf)
    config, shape = mistral_7b(QUICK_LAYERS), f"Mistral-7B's shape, {QUICK_LAYERS} of its {FULL_LAYERS} layers"
    gguf = LlamaCpp(plan.work, config, "Q4_1", plan.llama_cpp).model_path() if has_peer else None
    yield SteppedModel(f"{shape}, AWQ 4-bit", plan.awq(QUICK_LAYERS), "auto", gguf)
    if not plan.quick:
        yield SteppedModel(f"{shape}, f32", plan.awq(QUICK_LAYERS), "f32", None)


def _server_program(plan: Plan) -> Path | None:
    """llama.cpp's server; None where it takes no part or cannot be had."""
    if "llama.cpp" not in plan.peers:
        return None
    try:
        return find_binaries(plan.work, plan.llama_cpp, BINARIES[1:]) / BINARIES[1]
    except Unavailable as error:
        print(f"llama-server is left out: {error}", file=sys.stderr)
        return None


def conversations_part(plan: Plan, console: Console) -> None:
    """A second, third and fourth conversation after a long chat, and in an engine just loaded."""
    work, program = ConversationWork(threads=plan.threads), _server_program(plan)
    for model in _stepped_models(plan):
        options = model.options(plan, conversations.MAX_NUM_SEQS, work.context_length)
        contenders: list[Contender[ConversationWork, ConversationTurn]] = [FiresideConversations(options)]
        if program and model.gguf:
            contenders.append(LlamaConversations(_PEER, plan.work, program, model.gguf))
        results = run_rounds(contenders, work, plan.rounds)
        names = [contender.name for contender in contenders]
        title = f"{model.title}: a conversation after a chat of {work.chat_tokens} tokens"
        console.print(conversations.conversation_table(title, results, names))


def waiting_part(plan: Plan, console: Console) -> None:
    """A short prompt behind a long one, and a long one beside short ones."""
    work, program = WaitingWork(threads=plan.threads), _server_program(plan)
    if plan.quick:
        work = WaitingWork(threads=plan.threads, long_prompts=(1500,))
    for model in _stepped_models(plan):
        options = model.options(plan, waiting.MAX_NUM_SEQS, work.context_length)
        contenders: list[Contender[WaitingWork, WaitingTurn]] = [FiresideWaiting(options)]
        if program and model.gguf:
            contenders.append(LlamaWaiting(_PEER, plan.work, program, model.gguf))
        results = run_rounds(contenders, work, plan.rounds)
        names = [contender.name for contender in contenders]
        console.print(waiting.short_table(f"{model.title}: a short prompt behind a long one", results, names))
        console.print(waiting.long_table(f"{model.title}: a long prompt beside short ones", results, names))
