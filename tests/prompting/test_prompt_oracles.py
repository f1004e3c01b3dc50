"""Prompts against the models' own templates and tokenizers: same conversation, same text, same ids."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mistral_common.protocol.instruct.messages import AssistantMessage, ChatMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest, InstructRequest
from transformers import PreTrainedTokenizerFast

from fireside.catalog.spec import PromptSpec
from fireside.prompting import Message, Tokenizer, build_prompt, prompt_text
from support.mistral_tokenizer import ALL_FORMS, MistralOracle
from support.texts import HARD_TEXTS, texts

MISTRAL = PromptSpec(style="mistral")
OPENHERMES = PromptSpec(style="chatml", default_system="You are Hermes 2.")
SMOLLM2 = PromptSpec(
    style="chatml",
    default_system="You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    always_system=True,
)

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
any_order = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant", "tool"]), texts), min_size=1, max_size=5
)


@st.composite
def alternating(draw: st.DrawFn, content: st.SearchStrategy[str] = texts) -> list[Message]:
    """An optional system message, then user and assistant in turn, the user last."""
    messages = [Message("system", draw(content))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(0, 2)) * 2 + 1):
        messages.append(Message("assistant" if turn % 2 else "user", draw(content)))
    return messages


def as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def as_mistral(message: Message) -> ChatMessage:
    kind: Any = {"system": SystemMessage, "user": UserMessage, "assistant": AssistantMessage}[message.role]
    made: ChatMessage = kind(content=message.content)
    return made


@few
@given(messages=alternating(texts.filter(bool)), form=st.sampled_from(ALL_FORMS))
def test_mistral_ids_are_those_of_mistral_common(
    messages: list[Message],
    form: str,
    mistral_tokenizers: Mapping[str, Tokenizer],
    mistral_oracle: MistralOracle,
) -> None:
    request = ChatCompletionRequest(messages=[as_mistral(message) for message in messages])
    expected = mistral_oracle.encode_chat_completion(request).tokens
    assert build_prompt(messages=messages, spec=MISTRAL, tokenizer=mistral_tokenizers[form]) == expected


@few
@given(messages=st.lists(st.builds(Message, st.sampled_from(["system", "user"]), texts.filter(bool)), min_size=1))
def test_mistral_joins_turns_of_one_side_as_mistral_common(
    messages: list[Message], mistral: Tokenizer, mistral_oracle: MistralOracle
) -> None:
    messages = [*messages, Message("user", "Well?")]
    request = ChatCompletionRequest(messages=[as_mistral(message) for message in messages])
    expected = mistral_oracle.encode_chat_completion(request).tokens
    assert build_prompt(messages=messages, spec=MISTRAL, tokenizer=mistral) == expected


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_mistral_assistant_first(text: str, mistral: Tokenizer, mistral_oracle: MistralOracle) -> None:
    # mistral_common's checks refuse this order; the encoder behind them is the oracle.
    turns = [AssistantMessage(content=text), UserMessage(content="Go on.")]
    expected = mistral_oracle.instruct_tokenizer.encode_instruct(InstructRequest(messages=turns)).tokens
    messages = [Message("assistant", text), Message("user", "Go on.")]
    assert build_prompt(messages=messages, spec=MISTRAL, tokenizer=mistral) == expected


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_mistral_continues_a_last_assistant_message(
    text: str, mistral: Tokenizer, mistral_oracle: MistralOracle
) -> None:
    turns = [UserMessage(content="Count."), AssistantMessage(content=text, prefix=True)]
    expected = mistral_oracle.instruct_tokenizer.encode_instruct(InstructRequest(messages=turns)).tokens
    messages = [Message("user", "Count."), Message("assistant", text)]
    assert build_prompt(messages=messages, spec=MISTRAL, tokenizer=mistral) == expected


@few
@given(messages=alternating())
def test_mistral_ids_are_those_of_the_hubs_template(
    messages: list[Message], mistral: Tokenizer, mistral_hub: PreTrainedTokenizerFast
) -> None:
    system = messages[0].role == "system"
    # The hub's template writes the blank line even beside an empty text, and the space before an empty answer.
    assume(not system or (messages[0].content and messages[1].content))
    assume(all(message.content for message in messages if message.role == "assistant"))
    text = mistral_hub.apply_chat_template(as_dicts(messages), tokenize=False)
    expected = mistral_hub(text, add_special_tokens=False)["input_ids"]
    assert build_prompt(messages=messages, spec=MISTRAL, tokenizer=mistral) == expected


def hub_text(tokenizer: PreTrainedTokenizerFast, messages: list[Message]) -> str:
    """What a ChatML model's own template makes of it; a last turn of the assistant's is left open."""
    goes_on = messages[-1].role == "assistant"
    text = tokenizer.apply_chat_template(as_dicts(messages), tokenize=False, add_generation_prompt=not goes_on)
    assert isinstance(text, str)
    return text.removesuffix("<|im_end|>\n") if goes_on else text


@few
@given(messages=any_order)
def test_openhermes_text_and_ids_are_those_of_its_template(
    messages: list[Message], openhermes: Tokenizer, openhermes_hub: PreTrainedTokenizerFast
) -> None:
    text = hub_text(openhermes_hub, messages)
    assert prompt_text(messages=messages, spec=OPENHERMES, tokenizer=openhermes) == "<s>" + text
    assert build_prompt(messages=messages, spec=OPENHERMES, tokenizer=openhermes) == openhermes_hub(text)["input_ids"]


@few
@given(messages=any_order)
def test_smollm2_text_and_ids_are_those_of_its_template(
    messages: list[Message], smollm2: Tokenizer, smollm2_hub: PreTrainedTokenizerFast
) -> None:
    text = hub_text(smollm2_hub, messages)
    assert prompt_text(messages=messages, spec=SMOLLM2, tokenizer=smollm2) == text
    assert build_prompt(messages=messages, spec=SMOLLM2, tokenizer=smollm2) == smollm2_hub(text)["input_ids"]


def test_smollm2_prompt_known_ids(smollm2: Tokenizer) -> None:
    ids = build_prompt(prompt="What is the capital of France?", spec=SMOLLM2, tokenizer=smollm2)
    # fmt: off
    system = [
        1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2,
    ]
    # fmt: on
    assert ids == [*system, 198, 1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198]


@few
@given(text=texts.filter(bool))
def test_raw_ids_are_the_whole_tokenizers(
    text: str,
    openhermes: Tokenizer,
    openhermes_hub: PreTrainedTokenizerFast,
    smollm2: Tokenizer,
    smollm2_hub: PreTrainedTokenizerFast,
) -> None:
    assert (
        build_prompt(prompt=text, raw=True, spec=OPENHERMES, tokenizer=openhermes) == openhermes_hub(text)["input_ids"]
    )
    assert build_prompt(prompt=text, raw=True, spec=SMOLLM2, tokenizer=smollm2) == smollm2_hub(text)["input_ids"]


@few
@given(messages=alternating(texts.filter(bool)))
def test_a_prompts_text_sent_raw_gives_the_same_ids(messages: list[Message], mistral: Tokenizer) -> None:
    text = prompt_text(messages=messages, spec=MISTRAL, tokenizer=mistral)
    expected = build_prompt(messages=messages, spec=MISTRAL, tokenizer=mistral)
    assert build_prompt(prompt=text, raw=True, spec=MISTRAL, tokenizer=mistral) == expected
