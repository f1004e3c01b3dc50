"""What the API asks of Fireside, and what it gets back: text in, text out."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from fireside.catalog.spec import ModelSpec
from fireside.chat.messages import Message, Tool, ToolCall
from fireside.chat.pieces import Piece
from fireside.engine.types import Adapter, EngineStats, Sampling
from fireside.serving.tokens import TokenReport


@dataclass(slots=True)
class Usage:
    """Tokens of one request. `cached_tokens` are those of the prompt that were not computed again.

    The service counts up while they come, from the first token on, so that an answer which is cut short is counted,
    too; whoever made the request reads.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def add(self, other: "Usage") -> None:
        """Count another request's in."""
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.cached_tokens += other.cached_tokens


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """The answer is to be JSON. `schema` is the JSON schema it fits, or None for any object."""

    schema: Mapping[str, Any] | bool | None = None


@dataclass(frozen=True, slots=True)
class RegexOutput:
    """The answer is to match this regular expression from its beginning to its end."""

    pattern: str


@dataclass(frozen=True, slots=True)
class ChoiceOutput:
    """The answer is to be one of these texts."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GrammarOutput:
    """The answer is to fit this grammar, in llguidance's dialect of Lark."""

    lark: str


StructuredOutput = JsonOutput | RegexOutput | ChoiceOutput | GrammarOutput


@dataclass(frozen=True, slots=True)
class NamedTool:
    """A tool choice: the model must call this one."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedTool


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest:
    """One checked text-generation request. Exactly one of `prompt`, `prompt_ids` and `messages` is set.

    Args:
        model: id as the client wrote it.
        answering: the model that answers for it, as `TextService.resolve` found it; None: the service asks that itself.
        prompt_ids: token ids, which the model gets as they are.
        raw: no chat template; special tokens in the text count as such.
        max_tokens: 0 goes with `echo`.
        clip: max_tokens that the context window has no room for are no error: then its end ends the answer.
        adapter: a fine-tune's files, or None.
        account: whose it is; requests of different ones share no cached prefixes.
        wait: False asks to be refused with Busy rather than queued.
        cache_salt: requests with different ones share no cached prefixes either.
        stop: texts that end the answer; none of them is part of it.
        stop_ids: tokens that end it, beside the model's own.
        ignore_end: the model's own end the answer no more.
        keep_stop: the text or token that ended the answer is part of it after all.
        write_special: special tokens in the answer are written out.
        structured_output: what the answer must look like, or None. Not together with tools that may be called.
        keep_cut: JSON or a call that max_tokens cut is answered as far as it came; else it fails with ConstraintNotMet.
        tools: what the model may call, or nothing.
        tool_choice: whether it may, must not or must.
        scores: tell how likely the answer's tokens were, and so many of the likeliest; None: nothing.
        echo: the answer's first piece tells the prompt, too, with the scores of its tokens if there are to be any.
        tell_ids: tell the tokens' ids, those of the prompt in the first piece.
        usage: what the request has used so far.
    """

    model: str
    answering: ModelSpec | None = None
    prompt: str | None = None
    prompt_ids: Sequence[int] | None = None
    messages: tuple[Message, ...] | None = None
    raw: bool = False
    max_tokens: int = 256
    clip: bool = False
    sampling: Sampling = field(default=Sampling())
    adapter: Adapter | None = None
    account: str = ""
    wait: bool = True
    cache_salt: str = ""
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    ignore_end: bool = False
    keep_stop: bool = False
    write_special: bool = False
    structured_output: StructuredOutput | None = None
    keep_cut: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    scores: int | None = None
    echo: bool = False
    tell_ids: bool = False
    usage: Usage = field(default_factory=Usage, compare=False)

    @property
    def offered_tools(self) -> tuple[Tool, ...]:
        """The tools that the model is told of and may call, as `tool_choice` has it."""
        if isinstance(self.tool_choice, NamedTool):
            return tuple(tool for tool in self.tools if tool.name == self.tool_choice.name)
        return () if self.tool_choice == "none" else self.tools

    @property
    def goes_on(self) -> bool:
        """Whether the answer goes on with a text that was given, so that a space at its beginning is part of it."""
        if self.raw or self.prompt_ids is not None:
            return True
        last = self.messages[-1] if self.messages else None
        return last is not None and last.role == "assistant" and last.content != ""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of one of the request's functions, which ran here. One of `result` and `error` is set.

    Args:
        arguments: the text of a JSON object.
        result: JSON text.
        error: why there is no result.
        milliseconds: how long it took.
    """

    name: str
    arguments: str
    milliseconds: int
    result: str | None = None
    error: str | None = None


FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer. The last one has `finish_reason` and `usage`; its text may be empty.

    Of an answer with several choices, each choice's last piece has `finish_reason`, and the very last one `usage`.

    Args:
        tool_calls: whole calls, as they are completed, each with an id that is unique in the conversation.
        function_calls: those that ran here, as they are done.
        tokens: what was asked about the tokens.
        choice: number of the choice that it belongs to.
    """

    text: str
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    function_calls: tuple[FunctionCall, ...] = ()
    tokens: TokenReport | None = None
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a model would read for a request.

    Args:
        model: id of the model that would answer.
        pieces: the exact text in stretches, control tokens apart.
        tokens: its length; None while the model's tokenizer is not on this machine.
    """

    model: str
    pieces: tuple[Piece, ...]
    tokens: int | None


ModelState = Literal["ready", "loading", "not-downloaded", "failed", "idle", "unavailable"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """State of one model on this server.

    "idle" is downloaded, but not loaded: it loads on first use. Its `detail` says why the last load failed, if it did.
    "unavailable" is what Fireside has no weights for; its `detail` says why.
    """

    state: ModelState
    detail: str = ""
    progress: float | None = None
    stats: EngineStats | None = None


class TextService(Protocol):
    """What `fireside.serving` offers the API."""

    def models(self) -> list[ModelSpec]:
        """Every model of the catalog."""
        ...

    def resolve(self, model: str) -> ModelSpec:
        """The model that will answer for this id: itself, or the stand-in that the operator chose, with the context
        length that holds for this id.

        Raises InvalidModelId, UnknownModel.
        """
        ...

    def generate(self, request: TextRequest) -> AsyncGenerator[Delta, None]:
        """Yield the answer in pieces; closing the iterator cancels the generation.

        Raises RequestError, CapacityError, ModelError and EngineError leaves.
        """
        ...

    async def status(self, model: str) -> ModelStatus: ...

    async def preview(self, request: TextRequest) -> Preview:
        """What the model would read for this request, whose sampling and adapter do not matter.

        Raises InvalidModelId, UnknownModel, InvalidInput, ModelError leaves.
        """
        ...
