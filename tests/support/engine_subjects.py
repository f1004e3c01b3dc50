"""The engines under test: each registered one, with the smallest model that it runs.

Whoever adds an engine adds it here, and corrects it until the suite passes. What it cannot do stands in its `lacks`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fireside.engine.admission import Admission
from fireside.engine.echo import EchoOptions
from fireside.engine.engine_type import EngineType
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.options import EngineOptions
from fireside.engine.protocol import Engine
from fireside.engine.registry import create, engine_type
from fireside.engine.replay import ReplayOptions
from fireside.engine.types import Adapter, EngineInfo, GenerationRequest, Sampling, Token
from fireside.engine.vllm.options import VllmOptions
from support.adapters import make_adapter
from support.checkpoints import make_tiny_checkpoint
from support.grammars import BYTES
from support.vllm import vllm_python

VOCAB = 300
CONTEXT = 256
LIMIT = 120.0
"""Seconds after which an answer counts as one that never comes."""
PROMPT = list(b"Wie du mir, so ich")
"""Echo says it back: a prompt of several words, which it shuffles with a seed."""


@dataclass(frozen=True)
class Subject:
    """An engine with a model.

    Args:
        options: for two requests at a time and a context of `CONTEXT` tokens; a token is a byte, as `BYTES` has it.
        adapter: for its model, where it takes any.
        draws: whether a seed draws from what the model finds likely; otherwise it chooses the answer in its own way.
        reuses_prefixes: whether a second request finds the first one's keys and values.
    """

    kind: str
    options: EngineOptions
    adapter: Adapter | None = None
    draws: bool = True
    reuses_prefixes: bool = False

    @property
    def type(self) -> EngineType[Any]:
        return engine_type(self.kind)


def _echo(folder: Path) -> Subject:
    return Subject("echo", EchoOptions(context_length=CONTEXT, max_num_seqs=2, tokens=BYTES), draws=False)


def _onnx(folder: Path) -> Subject:
    make_tiny_checkpoint(folder / "model", vocab=VOCAB)
    adapter = Adapter("adapter", str(make_adapter(folder / "adapter")))
    options = OnnxOptions(
        model_path=str(folder / "model"), context_length=CONTEXT, max_num_seqs=2, threads=1, adapter_memory=64 << 20,
        tokens=BYTES,
    )  # fmt: skip
    return Subject("onnx", options, adapter, reuses_prefixes=True)


def _replay(folder: Path) -> Subject:
    lines = [{"prompt": "", "answer": ["Es ist nicht alles so, wie es scheint", "zyxwvutsrqponmlkj"]}]
    lines.append({"prompt": "klm", "answer": ["NOPQRSTUVWXYZ", "noqrstuvwxyz!"]})
    (folder / "answers.jsonl").write_text("\n".join(map(json.dumps, lines)))
    options = ReplayOptions(answers=str(folder / "answers.jsonl"), context_length=CONTEXT, max_num_seqs=2, tokens=BYTES)
    return Subject("replay", options, draws=False)


def _vllm(folder: Path) -> Subject:
    make_tiny_checkpoint(folder / "model", vocab=VOCAB)
    adapter = Adapter("adapter", str(make_adapter(folder / "adapter")))
    options = VllmOptions(
        python=str(vllm_python()), model_path=str(folder / "model"), cache_dir=str(folder / "cache"),
        context_length=CONTEXT, max_num_seqs=2, threads=1, kv_memory=64 << 20, block_size=32, dtype="float32",
        enforce_eager=True, max_loras=2, tokens=BYTES,
    )  # fmt: skip
    return Subject("vllm", options, adapter, reuses_prefixes=True)


SUBJECTS: Mapping[str, Callable[[Path], Subject]] = {
    "echo": _echo,
    "onnx": _onnx,
    "replay": _replay,
    "vllm": _vllm,
}


@dataclass
class Answer:
    """What came of a request so far; as `Admission` wants it."""

    tokens: list[Token] = field(default_factory=list)

    @property
    def completion_tokens(self) -> int:
        return len(self.tokens)

    @property
    def ids(self) -> list[int]:
        return [token.id for token in self.tokens]

    @property
    def text_ids(self) -> list[int]:
        """Without the token that ended it."""
        return [token.id for token in self.tokens if token.finish_reason != "stop"]

    @property
    def finish_reason(self) -> str | None:
        return self.tokens[-1].finish_reason if self.tokens else None


@dataclass
class Running:
    """A started engine behind its admission, as `fireside.serving` has it."""

    subject: Subject
    engine: Engine
    info: EngineInfo
    admission: Admission

    async def tokens(self, request: GenerationRequest, answer: Answer, *, wait: bool = True) -> AsyncIterator[Token]:
        async with (
            self.admission.admitted(request, len(request.prompt_ids), answer, wait=wait),
            aclosing(self.engine.generate(request)) as tokens,
        ):
            async for token in tokens:
                answer.tokens.append(token)
                yield token

    async def answer(self, request: GenerationRequest, *, wait: bool = True) -> Answer:
        answer = Answer()
        async with asyncio.timeout(LIMIT):
            async for _ in self.tokens(request, answer, wait=wait):
                pass
        return answer

    async def answers(self, requests: Sequence[GenerationRequest]) -> list[Answer]:
        """All at once."""
        return list(await asyncio.gather(*map(self.answer, requests)))


@asynccontextmanager
async def running(subject: Subject, *, queue: int = 64) -> AsyncIterator[Running]:
    engine = create(subject.kind, subject.options)
    try:
        info = await engine.start()
        share = info.max_num_seqs
        admission = Admission(subject.type, info, share=share, queue=queue, of="The model")
        yield Running(subject, engine, info, admission)
    finally:
        await engine.close()


def ask(prompt: Sequence[int] = PROMPT, /, **fields: Any) -> GenerationRequest:
    """A request of twelve tokens, greedy."""
    return GenerationRequest(
        **{"prompt_ids": list(prompt), "max_tokens": 12, "sampling": Sampling(temperature=0), **fields}
    )


def seeded(seed: int = 5, **fields: Any) -> Sampling:
    return Sampling(**{"temperature": 1.0, "seed": seed, **fields})
