"""A small honest `TextService`: says the prompt's words back one at a time, at a speed that a test sets.

Special first words make it fail as an engine may: see `ORDERS`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fireside import errors
from fireside.catalog.spec import EngineSpec, ModelSpec, NoSource, PromptSpec
from fireside.chat.messages import ToolCall
from fireside.prompting import ByteTokenizer, build_prompt, prompt_pieces
from fireside.serving.types import Delta, FinishReason, JsonOutput, ModelState, ModelStatus, Preview, TextRequest, Usage

PLAIN = "@cf/fireside/echo"
LORA = "@hf/mistral/mistral-7b-instruct-v0.2"
LORA_ALIAS = "@cf/mistralai/mistral-7b-instruct-v0.2-lora"
AWQ = "@hf/thebloke/openhermes-2.5-mistral-7b-awq"
CONTEXT_LENGTH = 4096

ORDERS: dict[str, BaseException] = {
    "!busy": errors.Busy("The queue is full."),
    "!missing": errors.ModelNotDownloaded("The model is not downloaded: run `fireside pull`."),
    "!retired": errors.ModelRetired("This model was deprecated on 2026-05-30. Please use an alternative model."),
    "!lost": errors.EngineLost("The engine ended while it worked for this request."),
    "!bug": ZeroDivisionError("secret detail"),
}
"""A prompt that begins with one of these makes the service raise that error; `!later:` puts it after the first word.

`!call:NAME:ARGUMENTS` is a call of a tool, where tools are offered.
"""


def _spec(model: str, number: int, *, lora: bool = False) -> ModelSpec:
    return ModelSpec(
        id=model,
        aliases=(LORA_ALIAS,) if lora else (),
        uuid=UUID(int=number),
        description=f"Test model {number}.",
        created_at="2024-02-01 00:00:00.000",
        beta=True,
        lora=lora,
        info_url="https://example.com/model" if lora else None,
        context_length=CONTEXT_LENGTH,
        source=NoSource(kind="none"),
        prompt=PromptSpec(style="plain"),
        engine=EngineSpec(kind="echo"),
    )


@dataclass
class EchoService:
    """Counts what it does, so that tests can see that nothing is left behind.

    Args:
        delay: seconds before each word.
        prefill: seconds before the first word.
        stand_in: id of the model that answers for ids the catalog does not have.
    """

    delay: float = 0.0
    prefill: float = 0.0
    stand_in: str | None = None
    state: ModelState = "ready"
    detail: str = ""
    requests: list[TextRequest] = field(default_factory=list)
    running: int = 0
    cancelled: int = 0
    words: int = 0

    def __post_init__(self) -> None:
        self.specs = [_spec(PLAIN, 1), _spec(LORA, 2, lora=True), _spec(AWQ, 3)]

    def reset(self) -> None:
        """Forget what was counted."""
        assert self.running == 0
        self.requests.clear()
        self.cancelled = self.words = 0

    def models(self) -> list[ModelSpec]:
        return self.specs

    def resolve(self, model: str) -> ModelSpec:
        if not re.fullmatch(r"@(hf|cf)/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", model):
            raise errors.InvalidModelId(f"The model name {model[:100]!r} is invalid.")
        for wanted in (model, self.stand_in):
            for spec in self.specs:
                if wanted in spec.names:
                    return spec
        raise errors.UnknownModel(f"No such model {model} or task")

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        self.running += 1
        finished = False
        try:
            if request.prompt_ids is not None:
                text = " ".join(map(str, request.prompt_ids))
            else:
                text = request.prompt if request.prompt is not None else (request.messages or ())[-1].content
            words = re.findall(r"\s*\S+", text) or [text]
            order = words[0].strip()
            if order in ORDERS:
                raise ORDERS[order]
            if isinstance(request.structured_output, JsonOutput):
                words = ["{}"]  # what is JSON, whatever was asked
            limit = min(request.max_tokens, CONTEXT_LENGTH - len(words)) if request.clip else request.max_tokens
            if len(words) + limit > CONTEXT_LENGTH or limit < 1:
                raise errors.ContextOverflow(len(words), limit, CONTEXT_LENGTH)
            await asyncio.sleep(self.prefill)
            request.usage.prompt_tokens = len(words)
            if order.startswith("!later:"):
                request.usage.completion_tokens += 1
                yield Delta("first")
                await asyncio.sleep(self.delay)
                raise ORDERS["!" + order.removeprefix("!later:")]
            if order.startswith("!call:") and request.offered_tools:
                name, _, arguments = order.removeprefix("!call:").partition(":")
                request.usage.completion_tokens = 1
                finished = True
                yield Delta("", "tool_calls", Usage(len(words), 1), (ToolCall("call_1", name, arguments),))
                return
            endless = order == "!endless"
            made = 0
            while endless or made < min(len(words), limit):
                await asyncio.sleep(self.delay)
                request.usage.completion_tokens += 1
                yield Delta(words[made % len(words)])
                made += 1
                self.words += 1
            finished = True
            finish: FinishReason = "length" if made < len(words) else "stop"
            yield Delta("", finish, Usage(len(words), made))
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled += not finished
            raise
        finally:
            self.running -= 1

    async def status(self, model: str) -> ModelStatus:
        self.resolve(model)
        return ModelStatus(self.state, self.detail, progress=0.5 if self.state == "loading" else None)

    async def preview(self, request: TextRequest) -> Preview:
        spec = self.resolve(request.model)
        given: dict[str, Any] = {"prompt": request.prompt, "messages": request.messages, "raw": request.raw}
        how: dict[str, Any] = {"spec": spec.prompt, "tokenizer": ByteTokenizer()}
        return Preview(spec.id, tuple(prompt_pieces(**given, **how)), len(build_prompt(**given, **how)))
