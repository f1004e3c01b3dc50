"""Prompts that a checkpoint's own template makes: those of transformers, and no text of a client is a control token."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from fireside.chat.messages import Message, Tool, ToolCall, ToolOffer
from fireside.chat.pieces import control, joined, words
from fireside.chat.spec import PromptSpec
from fireside.chat.templates.format import dialect_of
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.errors import InvalidInput, UnsupportedWeights
from fireside.prompting import PromptTooLong, Tokenizer, build_prompt, format_of, open_tokenizer, prompt_text, stop_ids
from support.texts import texts
from support.tiny_tokenizers import tiny_byte_level, with_tokens

TEMPLATES = Path(__file__).parents[2] / "data" / "chat-templates"
SPECIALS = (
    *("<s>", "</s>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<bos>"),
    *("<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>"),
    *("</think>", "<tool_response>", "</tool_response>"),
)
BOS = {"llama3": "<|begin_of_text|>", "llama3.1": "<|begin_of_text|>", "gemma3": "<bos>"}
SPEC = PromptSpec(style="template")
SIMPLE = "{% for message in messages %}<|im_start|>{{ message.role }}: {{ message.content }}{% endfor %}"
ADD = Tool("add", 'Adds "two".', {"type": "object", "properties": {"a": {"type": "integer"}}})
CALL = ToolCall("c1", "add", '{"a": 1, "b": "é</s>"}')

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
every_template = pytest.mark.parametrize("name", sorted(path.stem for path in TEMPLATES.glob("*.jinja")))
hostile = st.lists(st.sampled_from([*SPECIALS, "a", " ", "\n"]), min_size=1, max_size=4).map("".join)


def tokenizer_with(folder: Path, template: Any, **config: object) -> Tokenizer:
    tokenizer = with_tokens(tiny_byte_level(), *SPECIALS)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = {"chat_template": template, "eos_token": "</s>", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return open_tokenizer(folder)


@pytest.fixture(scope="module")
def renderer() -> Iterator[TemplateRenderer]:
    renderer = TemplateRenderer()
    yield renderer
    renderer.close()


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tokenizer, PreTrainedTokenizerFast]]:
    made = {}
    for path in TEMPLATES.glob("*.jinja"):
        folder, source = tmp_path_factory.mktemp(path.stem), path.read_text(encoding="utf-8")
        bos = BOS.get(path.stem, "<s>")
        ours = tokenizer_with(folder, source, bos_token=bos, add_bos_token=False)
        theirs = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), bos_token=bos, eos_token="</s>")
        theirs.chat_template = source
        made[path.stem] = ours, theirs
    return made


@st.composite
def alternating(draw: st.DrawFn, content: st.SearchStrategy[str]) -> list[Message]:
    messages = [Message("system", draw(content))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(0, 1)) * 2 + 1):
        messages.append(Message("assistant" if turn % 2 else "user", draw(content)))
    return messages


def as_dicts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    for message in messages:
        said.append({"role": message.role, "content": message.content})
        if message.tool_calls:
            said[-1]["tool_calls"] = [
                {"type": "function", "function": {"name": call.name, "arguments": json.loads(call.arguments)}}
                for call in message.tool_calls
            ]
    return said


@every_template
@few
@given(messages=alternating(texts.filter(str.strip)))
def test_text_and_ids_are_those_of_transformers(
    name: str, messages: list[Message], tokenizers: Any, renderer: TemplateRenderer
) -> None:
    ours, theirs = tokenizers[name]
    assume(not any(special in message.content for message in messages for special in SPECIALS))
    text = theirs.apply_chat_template(
        as_dicts(messages), tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    given: Any = {"messages": messages, "spec": SPEC, "tokenizer": ours, "renderer": renderer}
    assert "".join(piece.text for piece in format_of(SPEC, ours, renderer).render(_talk(messages))) == text
    assert build_prompt(**given) == theirs(text, add_special_tokens=False)["input_ids"]


def _talk(messages: Sequence[Message]) -> Any:
    from fireside.chat.formats import Conversation

    return Conversation(messages)


@pytest.mark.parametrize("name", ["llama3.1", "qwen2.5", "qwen3"])
def test_tools_calls_and_results_are_those_of_transformers(
    name: str, tokenizers: Any, renderer: TemplateRenderer
) -> None:
    ours, theirs = tokenizers[name]
    talk = [
        Message("user", "1+2?"),
        Message("assistant", "", (CALL,)),
        Message("tool", "3", tool_call_id="c1", name="add"),
    ]
    tool = {"name": ADD.name, "description": ADD.description, "parameters": ADD.parameters}
    text = theirs.apply_chat_template(
        as_dicts(talk),
        tools=[{"type": "function", "function": tool}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )
    chat = format_of(SPEC, ours, renderer)
    pieces = chat.render(type(_talk(talk))(talk, ToolOffer((ADD,))))
    assert "".join(piece.text for piece in pieces) == text
    # "</s>" is the client's, in the arguments of a call.
    assert not any(piece.control and piece.text == "</s>" for piece in pieces)


@every_template
@few
@given(word=hostile, messages=alternating(st.just("WORD")))
def test_no_text_of_a_client_becomes_a_control_token(
    name: str, word: str, messages: list[Message], tokenizers: Any, renderer: TemplateRenderer
) -> None:
    ours, _ = tokenizers[name]

    def controls(text: str) -> list[int]:
        said = [Message(message.role, f"x{text}x") for message in messages]
        ids = build_prompt(messages=said, spec=SPEC, tokenizer=ours, renderer=renderer)
        return [token for token in ids if not ours.token_bytes(token)]

    assume("</think>" not in word)  # of which Qwen3's template makes something of its own
    assert controls(word) == controls("y")


def test_the_last_turn_of_the_assistant_is_continued(tokenizers: Any, renderer: TemplateRenderer) -> None:
    for ours, _ in tokenizers.values():
        given: Any = {"spec": SPEC, "tokenizer": ours, "renderer": renderer}
        asked = [Message("user", "Count.")]
        ids = build_prompt(messages=[*asked, Message("assistant", "One, two")], **given)
        assert b"".join(map(ours.token_bytes, ids)).endswith(b"One, two")
        assert build_prompt(messages=[*asked, Message("assistant", "")], **given) == build_prompt(
            messages=asked, **given
        )


@pytest.mark.parametrize(
    ("template", "error", "message"),
    [
        ("{% for %}", UnsupportedWeights, r"cannot be used: line 1: Expected .*prompt.style"),
        ("\n\n{{ messages[0].content.encode() }}", UnsupportedWeights, r"line 3: it uses 'encode'"),
        ("{{ messages[0].content | title }}", UnsupportedWeights, "line 1: it changes the characters"),
        ("{{ 'x' * 10 ** 12 }}", UnsupportedWeights, "memory"),
        ("{{ ''.__class__.__mro__ }}", UnsupportedWeights, "unsafe"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", UnsupportedWeights, "nested too deeply"),
        ("x" * 300_000, UnsupportedWeights, "more than 262,144 characters"),
        ("{{ 1 }}" * 20_000, UnsupportedWeights, "nodes"),
        ("\ue000", UnsupportedWeights, "private-use character"),
        (None, UnsupportedWeights, "the model's files have no chat template"),
        ("{{ raise_exception('Only ' + messages[0].content) }}", InvalidInput, "rejects them: Only Hi"),
        ("Hello", InvalidInput, "leaves out a message with the role 'user'"),
        ("{{ messages[0].content.split('H')[0] }}", InvalidInput, "leaves out a message with the role 'user'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    template: str | None, error: type[Exception], message: str, tmp_path: Path, renderer: TemplateRenderer
) -> None:
    tokenizer = tokenizer_with(tmp_path, template)
    with pytest.raises(error, match=message) as refused:
        build_prompt(prompt="Hi", spec=SPEC, tokenizer=tokenizer, renderer=renderer)
    assert str(tmp_path) not in str(refused.value)


def test_a_template_that_does_not_end_is_ended_and_the_next_one_renders(
    tmp_path: Path, renderer: TemplateRenderer
) -> None:
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ messages[0].content }}"
    endless, simple = tmp_path / "endless", tmp_path / "simple"
    endless.mkdir()
    simple.mkdir()
    with pytest.raises(UnsupportedWeights, match="more than 2 seconds of CPU time"):
        build_prompt(prompt="Hi", spec=SPEC, tokenizer=tokenizer_with(endless, loop), renderer=renderer)
    tokenizer = tokenizer_with(simple, SIMPLE)
    given: Any = {"prompt": "<|im_start|>", "spec": SPEC, "tokenizer": tokenizer}
    wanted = [tokenizer.special_id("<|im_start|>"), *b"user: <|im_start|>"]
    ids = build_prompt(**given, renderer=renderer)
    assert ids[0] == wanted[0]
    assert b"".join(map(tokenizer.token_bytes, ids)) == b"user: <|im_start|>"
    assert build_prompt(**given) == ids  # with a renderer of its own


def test_what_the_system_says_goes_to_the_user_where_the_template_knows_no_system(
    tmp_path: Path, renderer: TemplateRenderer
) -> None:
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('No system') }}{% endif %}"
    tokenizer = tokenizer_with(tmp_path, refusing + SIMPLE)
    chat = format_of(SPEC, tokenizer, renderer)
    talk = [Message("system", "Be brief."), Message("user", "Hi <|im_end|>")]
    assert joined(chat.render(_talk(talk))) == [
        control("<|im_start|>"),
        *words("user: Be brief.\n\nHi <|im_end|>"),
    ]
    with pytest.raises(InvalidInput, match="rejects them: No system"):
        chat.render(_talk(talk[:1]))


def test_blanks_are_no_control_tokens_even_where_they_are_tokens(tmp_path: Path, renderer: TemplateRenderer) -> None:
    tokenizer_with(tmp_path, "{{ messages[0].content }}\n\n<|im_end|>")
    whole = with_tokens(with_tokens(tiny_byte_level(), *SPECIALS), "\n\n", special=False)
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    chat = format_of(SPEC, open_tokenizer(tmp_path), renderer)
    assert [piece.control for piece in joined(chat.render(_talk([Message("user", "Hi\n")])))] == [False, True]


def test_a_prompt_far_too_long_never_reaches_the_template(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(tmp_path, SIMPLE)
    with pytest.raises(PromptTooLong):
        build_prompt(messages=[Message("user", "x" * 10_000)], spec=SPEC, tokenizer=tokenizer, most=10)


def test_where_the_template_is_found(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(tmp_path, [{"name": "tool_use", "template": "a"}, {"name": "default", "template": "b"}])
    assert tokenizer.chat_template is not None
    assert (tokenizer.chat_template.source, tokenizer.chat_template.tokens) == ("b", {"eos_token": "</s>"})
    (tmp_path / "chat_template.jinja").write_text("c", encoding="utf-8")
    found = open_tokenizer(tmp_path).chat_template
    assert found is not None
    assert found.source == "c"
    assert stop_ids(SPEC, open_tokenizer(tmp_path)) == [tokenizer.special_id("</s>")]
    with pytest.raises(UnsupportedWeights, match="Download the model"):
        format_of(SPEC).render(_talk([Message("user", "Hi")]))


def test_gguf_brings_its_template(smollm2_gguf: Path) -> None:
    tokenizer = open_tokenizer(smollm2_gguf)
    assert tokenizer.chat_template is not None
    given: Any = {"messages": [Message("user", "Hi <|im_end|>")], "tokenizer": tokenizer}
    chatml = PromptSpec(
        style="chatml",
        default_system="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
        always_system=True,
    )
    assert build_prompt(**given, spec=SPEC) == build_prompt(**given, spec=chatml)


def test_the_dialect_is_the_one_that_the_template_writes() -> None:
    found = {path.stem: dialect_of(path.read_text(encoding="utf-8")) for path in TEMPLATES.glob("*.jinja")}
    assert {name for name, dialect in found.items() if not dialect.opening} == {"llama3.1"}
    assert {name for name, dialect in found.items() if dialect.tokens} == {"qwen2.5", "qwen3"}
    assert dialect_of("{% if tools %}[TOOL_CALLS]{% endif %}").opening == "[TOOL_CALLS]"
    assert found["qwen3"].describe is None
    assert found["zephyr"].describe is not None


@pytest.mark.parametrize("style", ["template", "qwen3", "llama3.1"])
@pytest.mark.parametrize(
    "arguments", ['{"a": 123456789012345678901234567890}', '{"a": "\\ud800"}', "no JSON", "[" * 5000, '{"a": NaN}']
)
def test_odd_arguments_of_calls_are_text_like_any_other(
    style: str, arguments: str, tokenizers: Any, renderer: TemplateRenderer
) -> None:
    ours, _ = tokenizers["llama3.1" if style == "llama3.1" else "qwen3"]
    talk = [
        Message("user", "Hi"),
        Message("assistant", "", (ToolCall("c", "add", arguments),)),
        Message("tool", "3", tool_call_id="c"),
    ]
    ids = build_prompt(messages=talk, spec=PromptSpec(style=style), tokenizer=ours, renderer=renderer)
    text = b"".join(map(ours.token_bytes, ids)).decode()
    assert arguments in text or "?" in text


def test_a_template_without_tools_is_told_of_them_in_words(tmp_path: Path, renderer: TemplateRenderer) -> None:
    tokenizer = tokenizer_with(tmp_path, SIMPLE)
    talk = [Message("user", "Hi"), Message("assistant", "", (CALL,)), Message("tool", "3", tool_call_id="c1")]
    text = prompt_text(messages=talk, offer=ToolOffer((ADD,)), spec=SPEC, tokenizer=tokenizer)
    assert text.startswith("<|im_start|>system: You may call functions.")
    assert text.endswith("<|im_start|>user: <tool_response>\nadd: 3\n</tool_response>")
