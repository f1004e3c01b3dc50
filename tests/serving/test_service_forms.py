"""Forms of answers and tools, from a request to its pieces, with real engine processes and real weights."""

import asyncio
import json
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fireside.chat.messages import Message, Tool, ToolCall
from fireside.engine.types import Adapter, Sampling
from fireside.errors import BadGrammar, ConstraintNotMet, FiresideError
from fireside.serving.service import Service
from fireside.serving.types import (
    ChoiceOutput,
    GrammarOutput,
    JsonOutput,
    NamedTool,
    RegexOutput,
    StructuredOutput,
    TextRequest,
    Usage,
)
from support.checkpoints import make_tiny_checkpoint
from support.tiny_tokenizers import tiny_sentencepiece
from support.user_models import add_model, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("children")]
LIMIT = 120.0
"""Seconds after which a test that hangs fails."""

ADD = Tool("add", "Adds two numbers.", {
    "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"],
})  # fmt: skip
SAY = Tool(
    "say", "Says something.", {"type": "object", "properties": {"words": {"type": "string"}}, "required": ["words"]}
)
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "say", "arguments": {"words": "</tool_call>"}}\n</tool_call>'


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[Service]:
    add_model(data_dir, "echo")
    async with asyncio.timeout(LIMIT), opened(data_dir) as service:
        yield service


@dataclass
class Answer:
    text: str
    calls: list[ToolCall]
    finish: str | None
    usage: Usage

    @property
    def asked(self) -> list[tuple[str, Any]]:
        return [(call.name, json.loads(call.arguments)) for call in self.calls]


def ask(text: str | None = "hello", name: str = "echo", **values: Any) -> TextRequest:
    return TextRequest(**{"model": f"@hf/me/{name}", "prompt": text, "sampling": Sampling(temperature=0), **values})


def chat(text: str, **values: Any) -> TextRequest:
    return ask(None, messages=(Message("user", text),), **values)


async def answer(service: Service, request: TextRequest) -> Answer:
    deltas = [delta async for delta in service.generate(request)]
    last = deltas[-1]
    assert last.usage == request.usage
    assert all(delta.text or delta.tool_calls for delta in deltas[1:-1]), (
        "except for the first, which says it has begun"
    )
    calls = [call for delta in deltas for call in delta.tool_calls]
    return Answer("".join(delta.text for delta in deltas), calls, last.finish_reason, last.usage)


# Forms, with the echo engine


@pytest.mark.parametrize(
    ("form", "prompt", "said"),
    [
        (JsonOutput(), "hello", "{}"),
        (JsonOutput(), '{"any": [1, {"thing": null}]} and more', '{"any": [1, {"thing": null}]}'),
        (
            JsonOutput({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}),
            "Ann",
            '{"name":"Ann"}',
        ),
        (JsonOutput({"enum": [4, 8]}), "8", "8"),
        (JsonOutput(True), "[1]", "[1]"),
        (RegexOutput("(yes|no)!"), "no, never", "no!"),
        (RegexOutput(" ?a"), " a", " a"),
        (ChoiceOutput(("yes", 'n"\\o\n')), 'n"\\o\n', 'n"\\o\n'),
        (ChoiceOutput(("yes", "yesterday")), "yest", "yesterday"),
        (GrammarOutput('start: "a" B+\nB: "b" | "c"'), "abcd", "abc"),
    ],
)
async def test_an_answer_has_its_form(tmp_path: Path, form: StructuredOutput, prompt: str, said: str) -> None:
    async with serving(tmp_path) as service:
        made = await answer(service, ask(prompt, structured_output=form))
        assert made == Answer(said, [], "stop", Usage(len(prompt), len(said)))
        assert (await answer(service, chat(prompt, structured_output=form))).text == said


async def test_json_that_max_tokens_cut_is_an_error_and_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        request = ask('{"name": "Ann"}', structured_output=JsonOutput(), max_tokens=9)
        with pytest.raises(ConstraintNotMet, match=r"JSON Mode couldn't be met: the answer reached max_tokens \(9\)"):
            await answer(service, request)
        assert request.usage == Usage(15, 9)
        assert (
            await answer(service, ask('{"name": "Ann"}', structured_output=JsonOutput(), max_tokens=15))
        ).finish == "stop"


@pytest.mark.parametrize(
    "form",
    [
        JsonOutput({"not": {}}),
        RegexOutput("("),
        JsonOutput({"minProperties": 2}),
        JsonOutput({"$ref": "#"}),
        GrammarOutput("start: nothing"),
        GrammarOutput('root ::= "a"'),
        GrammarOutput('%llguidance {}\nstart: "a"'),
        GrammarOutput("start: <|im_end|>"),
        GrammarOutput("start: a\n// a title\na: %json {"),
        GrammarOutput("// a title\nstart: %json " + "[" * 5000),
        GrammarOutput('// a title\nstart: %json {"properties": 5, "anyOf": 5, "$ref": 5}'),
        GrammarOutput('// a title\nstart: %json {"$ref": "#/$defs", "$defs": {"not": {}}}'),
        GrammarOutput('// a title\nstart: %json {"$defs": 5, "oneOf": [{}, {}]}'),
    ],
)
async def test_a_form_that_cannot_be_is_an_error_that_uses_nothing(tmp_path: Path, form: StructuredOutput) -> None:
    async with serving(tmp_path) as service:
        request = ask(structured_output=form)
        with pytest.raises(BadGrammar, match="cannot be used"):
            await answer(service, request)
        assert request.usage == Usage()
        assert (await answer(service, ask())).text == "hello"


async def test_schemas_beyond_all_measure_are_refused_before_anything_looks_into_them(tmp_path: Path) -> None:
    many = {"enum": [f"value {number}" for number in range(50_000)]}
    async with serving(tmp_path) as service:
        for values in ({"structured_output": JsonOutput(many)}, {"tools": (Tool("f", "", many),)}):
            with pytest.raises(BadGrammar, match="more than 524288"):
                await answer(service, chat("x", **values))


async def test_a_number_beyond_all_readers_is_an_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(ConstraintNotMet, match="no reader of JSON"):
            await answer(service, ask('{"a": 1e999}', structured_output=JsonOutput()))
        assert (await answer(service, ask('{"a": 1e99}', structured_output=JsonOutput()))).text == '{"a": 1e99}'


async def test_stop_texts_end_words_but_no_json(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        assert (
            await answer(service, ask('{"a": 1}', structured_output=JsonOutput(), stop=("a", ":")))
        ).text == '{"a": 1}'
        made = await answer(service, chat(f"One. Two. {CALL}", tools=(ADD,), stop=("Two",)))
        assert (made.text, made.calls, made.finish) == ("One. ", [], "stop")
        made = await answer(service, chat(CALL, tools=(ADD,), stop=("arguments",)))
        assert made.asked == [("add", {"a": 1, "b": 2})]


async def test_forms_side_by_side_are_those_of_each_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        requests = [ask(f"name {number}", structured_output=JsonOutput({"type": "string"})) for number in range(8)]
        requests += [ask("words", structured_output=form) for form in (None, RegexOutput("["), JsonOutput())]
        outcomes = await asyncio.gather(*(answer(service, request) for request in requests), return_exceptions=True)
        texts = [outcome.text for outcome in outcomes if isinstance(outcome, Answer)]
        assert texts == [*(f'"name {number}"' for number in range(8)), "words", "{}"]
        assert [type(outcome) for outcome in outcomes if isinstance(outcome, FiresideError)] == [BadGrammar]


# Tools, with the echo engine


async def test_a_call_in_the_answer_becomes_a_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        made = await answer(service, chat(f"Let me see. {CALL}\n{OTHER} bye", tools=(ADD, SAY)))
        assert made.text == "Let me see. "
        assert made.asked == [("add", {"a": 1, "b": 2}), ("say", {"words": "</tool_call>"})]
        assert made.finish == "tool_calls"


async def test_words_alone_stay_words(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        assert await answer(service, chat("Just <tool words", tools=(ADD,))) == Answer(
            "Just <tool words", [], "stop", Usage(16, 16)
        )
        cut = await answer(service, chat("Many words", tools=(ADD,), max_tokens=4))
        assert (cut.text, cut.finish) == ("Many", "length")


@pytest.mark.parametrize(
    ("choice", "names"), [("required", {"add", "say"}), (NamedTool("add"), {"add"}), (NamedTool("say"), {"say"})]
)
async def test_a_model_that_must_call_does(tmp_path: Path, choice: Any, names: set[str]) -> None:
    async with serving(tmp_path) as service:
        made = await answer(service, chat("No, never!", tools=(ADD, SAY), tool_choice=choice))
        assert made.text == ""
        (call,) = made.calls
        assert call.name in names
        assert set(json.loads(call.arguments)) == ({"a", "b"} if call.name == "add" else {"words"})


async def test_a_model_that_must_not_call_is_not_told_of_tools(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        made = await answer(service, chat(CALL, tools=(ADD,), tool_choice="none"))
        assert (made.text, made.calls) == (CALL, [])


async def test_arguments_fit_their_schema_whatever_the_model_would_rather_say(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        wanted = CALL.replace('{"a": 1, "b": 2}', '{"a": "one", "c": 2}')
        (call,) = (await answer(service, chat(wanted, tools=(ADD,)))).calls
        arguments = json.loads(call.arguments)
        assert set(arguments) == {"a", "b"}
        assert all(isinstance(value, int) for value in arguments.values())


async def test_a_call_that_max_tokens_cut_is_an_error_but_whole_ones_before_it_stand(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(ConstraintNotMet, match="max_tokens"):
            await answer(service, chat(CALL, tools=(ADD,), max_tokens=len(CALL) - 1))
        made = await answer(service, chat(f"{CALL}\n{OTHER}", tools=(ADD, SAY), max_tokens=len(CALL) + 20))
        assert (made.asked, made.finish) == ([("add", {"a": 1, "b": 2})], "length")


async def test_a_model_that_repeats_its_call_is_stopped(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        made = await answer(service, chat("\n".join([CALL] * 5), tools=(ADD,)))
        assert (len(made.calls), made.finish) == (1, "tool_calls")
        assert made.usage.completion_tokens == 2 * len(CALL) + 1


async def test_tools_without_parameters_and_with_odd_names(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        odd = Tool('wea"ther é\\', "", {})
        (call,) = (await answer(service, chat("x", tools=(odd,), tool_choice="required"))).calls
        assert (call.name, call.arguments) == ('wea"ther é\\', "{}")
        with pytest.raises(BadGrammar, match='the parameters of "list" must be a JSON schema of type object'):
            await answer(service, chat("x", tools=(Tool("list", "", {"type": "array"}),)))


async def test_each_tools_schema_has_references_of_its_own(tmp_path: Path) -> None:
    def tool(name: str, inner: str) -> Tool:
        schema = {"properties": {"x": {"$ref": "#/$defs/it"}}, "required": ["x"], "$defs": {"it": {"type": inner}}}
        return Tool(name, "", schema)

    async with serving(tmp_path) as service:
        tools = (tool("one", "integer"), tool("two", "string"))
        for name, value in (("one", 7), ("two", "seven")):
            wanted = f'<tool_call>\n{{"name": "{name}", "arguments": {{"x": {json.dumps(value)}}}}}\n</tool_call>'
            assert (await answer(service, chat(wanted, tools=tools))).asked == [(name, {"x": value})]


# Vocabularies whose texts begin with a space


@pytest.fixture
def spaced(tmp_path: Path) -> Path:
    """Random weights over a sentencepiece vocabulary."""
    folder = tmp_path / "spaced"
    tokenizer = tiny_sentencepiece()
    make_tiny_checkpoint(folder, vocab=len(tokenizer["model"]["vocab"]))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


async def test_the_space_that_a_text_begins_with_is_no_part_of_its_form(tmp_path: Path, spaced: Path) -> None:
    add_model(tmp_path, "spaced", folder=spaced, stop=["</s>"])
    sampling = [Sampling(temperature=2.0, seed=seed) for seed in range(8)]
    async with serving(tmp_path) as service:
        for seeded in sampling:
            for raw in (False, True):
                values: dict[str, Any] = {"name": "spaced", "sampling": seeded, "raw": raw}
                assert (await answer(service, ask(structured_output=RegexOutput("[ab]b"), **values))).text in (
                    "ab",
                    "bb",
                )
                assert (await answer(service, ask(structured_output=RegexOutput(" ab"), **values))).text == " ab"
                assert (await answer(service, ask(structured_output=ChoiceOutput(("ab", "bb")), **values))).text in (
                    "ab",
                    "bb",
                )
                for text in ("ab", " ab"):
                    assert (await answer(service, ask(structured_output=ChoiceOutput((text,)), **values))).text == text
                    lark = GrammarOutput(f'start: "{text}"')
                    assert (await answer(service, ask(structured_output=lark, **values))).text == text
                said = (await answer(service, ask(structured_output=JsonOutput({"const": [1]}), **values))).text
                assert json.loads(said) == [1]
                assert said[0] == "["
        (call,) = (
            await answer(
                service, chat("x", name="spaced", tools=(Tool("f", "", {"maxProperties": 0}),), tool_choice="required")
            )
        ).calls
        assert call.name == "f"


# The default model


@pytest.fixture
async def smollm2(tmp_path: Path, smollm2_gguf: Path) -> AsyncIterator[Service]:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / smollm2_gguf.name).symlink_to(smollm2_gguf)
    add_model(tmp_path, "smollm2", folder=weights, style="chatml", stop=["<|im_end|>"], lora=True)
    async with serving(tmp_path) as service:
        yield service


CALCULATE = Tool("calculate", "Does arithmetic with two numbers.", {
    "type": "object",
    "properties": {"a": {"type": "number"}, "operator": {"enum": ["+", "-", "*", "/"]}, "b": {"type": "number"}},
    "required": ["a", "operator", "b"],
})  # fmt: skip
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


async def test_a_small_model_uses_a_calculator(smollm2: Service) -> None:
    question = Message("user", "What is 127 * 46?")
    request = ask(None, "smollm2", messages=(question,), tools=(CALCULATE,), tool_choice="required")
    made = await answer(smollm2, request)
    (call,) = made.calls
    given = json.loads(call.arguments)
    result = OPERATORS[given["operator"]](given["a"], given["b"])
    assert result == 5842
    turns = (question, Message("assistant", "", (call,)), Message("tool", str(result), tool_call_id=call.id))
    final = await answer(smollm2, ask(None, "smollm2", messages=turns, tools=(CALCULATE,)))
    assert "5842" in final.text
    assert final.finish == "stop"


async def test_a_small_model_answers_in_json_with_a_fine_tune_and_without(smollm2: Service) -> None:
    schema = {
        "type": "object",
        "properties": {"country": {"type": "string", "maxLength": 30}, "capital": {"type": "string", "maxLength": 30}},
        "required": ["country", "capital"],
    }
    pirate = Adapter("pirate", str(Path(__file__).parents[2] / "examples" / "finetune" / "adapter"))
    for adapter in (None, pirate):
        for sampling in (Sampling(temperature=0), Sampling(temperature=1.0, seed=3)):
            text = "Tell me about France."
            request = ask(text, "smollm2", structured_output=JsonOutput(schema), adapter=adapter, sampling=sampling)
            made = json.loads((await answer(smollm2, request)).text)
            assert set(made) == {"country", "capital"}
            if sampling.temperature == 0 and adapter is None:
                assert made["capital"] == "Paris"
    must = ask(
        None,
        "smollm2",
        messages=(Message("user", "What is 2 + 2?"),),
        tools=(CALCULATE,),
        tool_choice=NamedTool("calculate"),
        adapter=pirate,
    )
    (call,) = (await answer(smollm2, must)).calls
    assert set(json.loads(call.arguments)) == {"a", "operator", "b"}
