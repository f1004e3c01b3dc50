"""Formats against the models' own templates, as transformers renders them: same conversation, same text, same ids."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from fireside.chat.formats import formats
from fireside.chat.messages import Message, Tool, ToolCall, ToolOffer
from fireside.chat.spec import PromptSpec
from fireside.prompting import Tokenizer, build_prompt, open_tokenizer, prompt_text
from support.mistral_tokenizer import write_tokenizer
from support.texts import texts
from support.tiny_tokenizers import tiny_byte_level, with_tokens

TEMPLATES = Path(__file__).parent.parent / "data" / "chat-templates"
LLAMA3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
QWEN = ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
SENTENCEPIECE = ("<s>", "</s>")
MODELS: dict[str, tuple[str, tuple[str, ...], str | None]] = {
    # The format, the special tokens of the model's vocabulary, BOS.
    "llama2": ("llama2", SENTENCEPIECE, "<s>"),
    "zephyr": ("zephyr", SENTENCEPIECE, "<s>"),
    "llama3": ("llama3", LLAMA3, LLAMA3[0]),
    "llama3.1": ("llama3.1", LLAMA3, LLAMA3[0]),
    "gemma3": ("gemma", ("<bos>", "<start_of_turn>", "<end_of_turn>"), "<bos>"),
    "qwen2.5": ("qwen", QWEN[:4], None),
    "qwen3": ("qwen3", (*QWEN, "<think>", "</think>"), None),
    "openchat": ("openchat", ("<s>", "<|end_of_turn|>"), "<s>"),
    "deepseek-coder": ("deepseek-coder", ("<bos>", "<|EOT|>"), "<bos>"),
}
WITH_TOOLS = ("llama3.1", "qwen2.5", "qwen3")

ADD = Tool("add", "Adds two numbers: é.", {"type": "object", "properties": {"a": {"type": "integer"}}})
SAY = Tool("say", "", {"type": "object", "properties": {}})

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
every_model = pytest.mark.parametrize("model", MODELS)


class Model:
    """A format and its model's template, over one vocabulary."""

    def __init__(self, model: str, folder: Path) -> None:
        style, self.specials, bos = MODELS[model]
        self.name = model
        self.chat = formats()[style]
        self.spec = PromptSpec(style=style)
        if self.specials is SENTENCEPIECE:
            write_tokenizer(folder)
        else:
            tokenizer = with_tokens(tiny_byte_level(), *self.specials)
            (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
            config = {"bos_token": bos, "add_bos_token": bos is not None}
            (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
        self.tokenizer: Tokenizer = open_tokenizer(folder)
        self.hub = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), bos_token=bos, eos_token=self.specials[1]
        )
        self.hub.chat_template = (TEMPLATES / f"{model}.jinja").read_text(encoding="utf-8")

    def ours(
        self, messages: Sequence[Message], offer: ToolOffer | None = None, **changed: Any
    ) -> tuple[str, list[int]]:
        spec = self.spec.model_copy(update=changed)
        given: Any = {"messages": messages, "offer": offer, "spec": spec, "tokenizer": self.tokenizer}
        return prompt_text(**given), build_prompt(**given)

    def theirs(self, messages: Sequence[Message], tools: Sequence[Tool] = (), **values: Any) -> tuple[str, list[int]]:
        text = self.hub.apply_chat_template(
            [_as_dict(message) for message in messages],
            tools=[_openai(tool) for tool in tools] or None,
            tokenize=False,
            add_generation_prompt=True,
            **values,
        )
        assert isinstance(text, str)
        ids = self.hub(text, add_special_tokens=False)["input_ids"]
        bos = self.tokenizer.bos_id
        if self.tokenizer.add_bos and ids[:1] != [bos]:
            return f"{self.tokenizer.bos_token}{text}", [bos, *ids]
        return text, ids


def _openai(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _as_dict(message: Message) -> dict[str, Any]:
    said: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        said["tool_calls"] = [
            {"type": "function", "function": {"name": call.name, "arguments": json.loads(call.arguments)}}
            for call in message.tool_calls
        ]
    return said


@st.composite
def alternating(draw: st.DrawFn) -> list[Message]:
    """An optional system message, then user and assistant in turn, the user last."""
    messages = [Message("system", draw(texts))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(0, 2)) * 2 + 1):
        messages.append(Message("assistant" if turn % 2 else "user", draw(texts)))
    return messages


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    return {model: Model(model, tmp_path_factory.mktemp(model)) for model in MODELS}


@every_model
@few
@given(messages=alternating())
def test_text_and_ids_are_those_of_the_models_template(
    model: str, messages: list[Message], models: dict[str, Model]
) -> None:
    tested = models[model]
    assume(not any(special in message.content for message in messages for special in tested.specials))
    # Where the template writes what stands beside an empty text, the format does not.
    assume(messages[0].role != "system" or messages[0].content)
    thinking: dict[str, Any] = {"enable_thinking": False} if tested.chat.thinking else {}
    assert tested.ours(messages) == tested.theirs(messages, **thinking)


@every_model
def test_a_last_turn_of_the_assistant_is_the_templates_without_its_end(model: str, models: dict[str, Model]) -> None:
    tested = models[model]
    asked = [Message("user", "Count.")]
    text, _ = tested.ours([*asked, Message("assistant", "One, ")])
    beginning, _ = tested.ours(asked)
    assert text == beginning + (" " if model in ("llama2", "openchat") else "") + "One, "
    closed, _ = tested.theirs([*asked, Message("assistant", "One,"), Message("user", "Go on.")])
    if not tested.chat.thinking:  # which leaves out thoughts of earlier turns, even empty ones
        assert closed.startswith(text.rstrip())


@pytest.mark.parametrize("model", WITH_TOOLS)
@pytest.mark.parametrize("said", ["", "Be brief."])
def test_tools_calls_and_results_are_those_of_the_models_template(
    model: str, said: str, models: dict[str, Model]
) -> None:
    tested = models[model]
    call = ToolCall("c1", "add", '{"a": 1, "b": "é</s>"}')
    talk = [
        *([Message("system", said)] if said else []),
        Message("user", "1+2?"),
        Message("assistant", "", (call,)),
        Message("tool", "3", tool_call_id="c1", name="add"),
    ]
    for messages in (talk[:-2], talk, [*talk, Message("assistant", "3."), Message("user", " Thanks. ")]):
        thinking: dict[str, Any] = {"enable_thinking": False} if tested.chat.thinking else {}
        offer = ToolOffer((ADD, SAY))
        assert tested.ours(messages, offer) == tested.theirs(messages, offer.tools, **thinking)
        assert tested.ours(messages) == tested.theirs(messages, **thinking)


@pytest.mark.parametrize("model", ["qwen2.5", "qwen3"])
def test_several_calls_and_their_results_share_a_turn(model: str, models: dict[str, Model]) -> None:
    tested = models[model]
    calls = (ToolCall("c1", "add", '{"a": 1}'), ToolCall("c2", "say", "{}"))
    messages = [
        Message("user", "1+2?"),
        Message("assistant", "One moment.", calls),
        Message("tool", "3", tool_call_id="c1"),
        Message("tool", "hi", tool_call_id="c2"),
    ]
    thinking: dict[str, Any] = {"enable_thinking": False} if tested.chat.thinking else {}
    assert tested.ours(messages) == tested.theirs(messages, **thinking)


def test_qwen3_thinks_where_it_is_asked_to_and_forgets_earlier_thoughts(models: dict[str, Model]) -> None:
    tested = models["qwen3"]
    asked = [Message("user", "1+2?"), Message("assistant", "<think>\nhm\n</think>\n\n3"), Message("user", "Sure?")]
    call = Message("assistant", "<think>\nto add\n</think>\n\nOne moment.", (ToolCall("c", "add", "{}"),))
    for messages in (asked, [*asked, call, Message("tool", "3", tool_call_id="c")]):
        assert tested.ours(messages, thinking=True) == tested.theirs(messages)
        assert tested.ours(messages) == tested.theirs(messages, enable_thinking=False)


@pytest.mark.parametrize("model", ["qwen2.5", "qwen3"])
def test_tokens_that_a_vocabulary_lacks_are_written_out(model: str, models: dict[str, Model], tmp_path: Path) -> None:
    tokenizer = with_tokens(tiny_byte_level(), "<|im_start|>", "<|im_end|>")
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    lacking = open_tokenizer(tmp_path)
    given: Any = {
        "messages": [Message("user", "Hi")],
        "offer": ToolOffer((ADD,)),
        "spec": models[model].spec,
    }
    text = prompt_text(**given, tokenizer=models[model].tokenizer)
    assert prompt_text(**given, tokenizer=lacking) == text
    assert len(build_prompt(**given, tokenizer=lacking)) > len(build_prompt(**given, tokenizer=models[model].tokenizer))
