"""The playground: what one says, what is sent, and what is shown."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from fireside.chat.messages import Message, ToolCall
from fireside.engine.types import Sampling
from support.echo_service import AWQ, LORA, PLAIN, EchoService
from support.live_server import LiveServer, wait_until
from support.visitor import Playground, Visitor


def playground(visitor: Visitor, *, phone: bool = False, model: str = PLAIN) -> Playground:
    return Playground(visitor.open(f"/playground?model={model}", phone=phone))


def test_a_conversation_goes_on(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.say("hello there")
    assert view.text() == "hello there"
    view.say("and again")
    assert view.said() == ["hello there", "and again"]
    assert service.requests[-1].messages == (
        Message("user", "hello there"),
        Message("assistant", "hello there"),
        Message("user", "and again"),
    )
    stats = view.answer().locator(".answer-stats").inner_text()
    assert re.fullmatch(r"first token after [\d.]+ m?s · ([\d.,]+ tok/s · )?2 tokens · prompt 2 tokens", stats)
    expect(view.page.locator("#context-use")).to_have_text("4 of 4,096 tokens used")


def test_text_appears_while_it_comes(visitor: Visitor, service: EchoService) -> None:
    service.delay = 0.05
    view = playground(visitor)
    view.say("!endless one two", wait=False)
    expect(view.answer().locator(".answer-text")).to_contain_text("one two")
    expect(view.answer().locator(".answer-stats")).to_contain_text("tok/s")
    # More than the prompt by what was said so far.
    expect(view.page.locator("#context-use")).to_have_text(re.compile(r"^([2-9]\d|1\d\d) of 4,096 tokens used$"))
    view.stop_button.click()
    view.finished()


def test_stop_ends_the_generation(visitor: Visitor, service: EchoService) -> None:
    service.delay = 0.01
    view = playground(visitor)
    view.say("!endless word", wait=False)
    expect(view.answer().locator(".answer-text")).to_contain_text("word")
    assert service.running == 1
    view.message.press("Escape")
    view.finished()
    wait_until(lambda: service.running == 0)
    assert service.cancelled == 1
    expect(view.answer()).to_contain_text("Stopped.")


def test_stop_during_a_long_prefill(visitor: Visitor, service: EchoService) -> None:
    service.prefill = 60
    view = playground(visitor)
    view.say("hello", wait=False)
    wait_until(lambda: service.running == 1)
    view.stop_button.click()
    view.finished()
    wait_until(lambda: service.running == 0)


def test_an_answer_that_does_not_stream_can_be_stopped_too(visitor: Visitor, service: EchoService) -> None:
    service.prefill = 60
    view = playground(visitor)
    view.parameter("stream").get_by_role("switch").uncheck()
    view.say("hello", wait=False)
    wait_until(lambda: service.running == 1)
    view.stop_button.click()
    view.finished()
    wait_until(lambda: service.running == 0)


def test_without_streaming(visitor: Visitor) -> None:
    view = playground(visitor)
    view.parameter("stream").get_by_role("switch").uncheck()
    view.say("all at once")
    assert view.text() == "all at once"
    expect(view.answer().locator(".answer-stats")).to_contain_text("3 tokens")


def test_the_system_message(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.page.get_by_label("System message").fill("Be brief.")
    view.say("hello")
    assert service.requests[-1].messages == (Message("system", "Be brief."), Message("user", "hello"))


def test_the_three_kinds_of_prompt(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.page.get_by_role("radio", name="Prompt").check(force=True)
    expect(view.page.get_by_label("System message")).to_be_hidden()
    view.say("first")
    view.say("second")
    assert (service.requests[-1].prompt, service.requests[-1].raw) == ("second", False)
    view.page.get_by_role("radio", name="Raw").check(force=True)
    view.say("<s>[INST] third [/INST]")
    assert (service.requests[-1].prompt, service.requests[-1].raw) == ("<s>[INST] third [/INST]", True)
    view.page.get_by_role("radio", name="Chat").check(force=True)
    view.say("fourth")
    messages = service.requests[-1].messages
    assert messages is not None
    assert len(messages) == 7


def test_every_parameter_reaches_the_model(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    given: dict[str, Any] = {
        "max_tokens": 7, "temperature": 1.25, "top_p": 0.5, "top_k": 40, "seed": 11,
        "repetition_penalty": 1.1, "frequency_penalty": -0.5, "presence_penalty": 0.25,
    }  # fmt: skip
    for name, value in given.items():
        view.set_parameter(name, value)
    view.say("hello")
    request = service.requests[-1]
    assert request.max_tokens == 7
    assert request.sampling == Sampling(**{name: value for name, value in given.items() if name != "max_tokens"})
    view.parameter("top_k").get_by_role("button", name="Reset").click()
    view.say("hello")
    assert service.requests[-1].sampling.top_k == 0


def test_a_slider_sets_its_parameter(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    slider = view.parameter("temperature").get_by_role("slider")
    slider.focus()
    slider.press("End")
    view.say("hello")
    assert service.requests[-1].sampling.temperature == 5


def test_there_is_a_control_for_every_parameter_of_the_schema(visitor: Visitor, site: LiveServer) -> None:
    view = playground(visitor)
    schema = site.client.get("/client/v4/accounts/acc/ai/models/schema", params={"model": PLAIN}).json()["result"]
    names = {name for form in schema["input"]["oneOf"] for name in form["properties"]}
    shown = view.page.locator("fs-parameter label").all_text_contents()
    # These have places of their own: the texts, the kind of prompt, the fine-tune.
    assert set(shown) == names - {"prompt", "messages", "raw", "lora"}


@pytest.mark.parametrize(
    ("name", "wrong", "right", "told"),
    [
        ("temperature", "5.01", "5", "0 to 5"),
        ("top_k", "51", "50", "A whole number, 1 to 50"),
        ("top_k", "1.5", "1", "A whole number, 1 to 50"),
        ("tools", "[{", "[]", "not JSON yet"),
        ("tools", '[{"name": ""}]', "[]", "tools.0.name: String should have at least 1 character"),
        ("response_format", '{"type": "yaml"}', '{"type": "text"}', "response_format.type: should be"),
    ],
)
def test_what_is_no_value_is_told_beside_it_and_not_sent(
    visitor: Visitor, service: EchoService, name: str, wrong: str, right: str, told: str
) -> None:
    view = playground(visitor)
    view.page.get_by_text("More parameters").click()
    view.message.fill("hello")
    view.set_parameter(name, wrong)
    control = view.parameter(name)
    expect(control.get_by_role("alert")).to_contain_text(told)
    expect(control.locator("input[type=number], textarea")).to_have_attribute("aria-invalid", "true")
    view.message.press("Enter")
    expect(view.page.locator(".composer-refusal")).to_contain_text(f"Not sent: {name} is not right yet.")
    # Whatever else changes, what was typed stays until somebody corrects it.
    view.page.get_by_label("System message").fill("Be brief.")
    expect(control.locator("input[type=number], textarea")).to_have_value(wrong)
    assert view.message.input_value() == "hello"
    assert service.requests == []
    view.page.get_by_role("button", name=f"Show {name}").click()
    expect(control.locator("input[type=number], textarea")).to_be_focused()
    view.set_parameter(name, right)
    expect(control.locator(".field-error")).to_be_empty()
    view.message.press("Enter")
    view.finished()
    assert len(service.requests) == 1


def test_a_reset_and_another_kind_of_prompt_drop_what_is_wrong(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.page.get_by_text("More parameters").click()
    view.set_parameter("tools", "{")
    view.page.get_by_role("radio", name="Prompt").check(force=True)
    view.say("tools are not sent with this")
    view.page.get_by_role("radio", name="Chat").check(force=True)
    view.say("but with this", wait=False)
    expect(view.page.locator(".composer-refusal")).to_contain_text("tools")
    view.parameter("tools").get_by_role("button", name="Reset tools").click()
    expect(view.page.locator(".composer-refusal")).to_be_empty()
    view.message.press("Enter")
    view.finished()
    assert len(service.requests) == 2


def test_a_seed_by_dice_and_the_same_again(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.page.get_by_role("button", name="Random seed").click()
    view.say("hello")
    seed = service.requests[-1].sampling.seed
    assert seed is not None
    view.answer().get_by_role("button", name="Run again").click()
    view.finished()
    assert [request.sampling.seed for request in service.requests] == [seed, seed]
    expect(view.answer().locator(".answer-stats")).to_contain_text(f"seed {seed}")


def test_what_is_edited_or_run_again_stays_as_another_version(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    for text in ("one", "two", "three"):
        view.say(text)
    turn = view.page.locator("fs-turn")
    turn.nth(1).get_by_role("button", name="Edit this message").click()
    field = view.page.get_by_role("textbox", name="Edit this message")
    field.fill("second")
    field.press("Control+Enter")
    expect(view.page.locator(".bubble")).to_have_text(["one", "second"])
    view.finished()
    assert [message.content for message in service.requests[-1].messages or ()] == ["one", "one", "second"]
    expect(turn.nth(1).locator(".versions")).to_have_text("2/2")
    turn.nth(1).get_by_role("button", name="Version before").click()
    expect(view.page.locator(".bubble")).to_have_text(["one", "two", "three"])
    view.answer().get_by_role("button", name="Edit this answer").click()
    view.page.get_by_role("textbox", name="Edit this answer").fill("other words")
    view.page.get_by_role("button", name="Save", exact=True).click()
    expect(view.answer()).to_contain_text("Edited by you.")
    view.answer().get_by_role("button", name="Run again").click()
    view.finished()
    expect(turn.nth(2).locator(".versions")).to_have_text("3/3")
    turn.nth(2).get_by_role("button", name="Version before").click()
    view.say("four")
    assert [message.content for message in service.requests[-1].messages or ()][-3:] == ["three", "other words", "four"]
    # All of it is kept, and so is which way is shown.
    view.page.reload()
    view = Playground(view.page)
    expect(view.page.locator(".bubble")).to_have_text(["one", "two", "three", "four"])
    expect(turn.nth(2).locator(".versions")).to_have_text("2/3")
    turn.nth(2).get_by_role("button", name="Next version").click()
    expect(view.page.locator(".bubble")).to_have_text(["one", "two", "three"])


@pytest.mark.parametrize("streams", [True, False])
def test_an_answer_cut_at_max_tokens_says_so_and_goes_on(visitor: Visitor, service: EchoService, streams: bool) -> None:
    view = playground(visitor)
    view.parameter("stream").get_by_role("switch").set_checked(streams)
    view.set_parameter("max_tokens", 2)
    view.say("one two three")
    expect(view.answer().locator(".cut p")).to_have_text(
        "Cut off: the answer had reached its most of 2 tokens (max_tokens)."
    )
    view.answer().get_by_role("button", name="Continue").click()
    view.finished()
    # The echo repeats the last message, which is the answer so far: two words, and then an end.
    assert service.requests[-1].messages == (Message("user", "one two three"), Message("assistant", "one two"))
    assert view.text() == "one twoone two"
    expect(view.answer().locator(".cut")).to_have_count(0)
    expect(view.answer().locator(".answer-stats")).to_contain_text("4 tokens")
    # What is held to a form begins again with each request.
    view.page.get_by_text("More parameters").click()
    view.set_parameter("response_format", '{"type": "regex", "regex": "[a-z ]+"}')
    view.say("four five six")
    expect(view.answer().locator(".cut p")).to_contain_text("Cut off")
    expect(view.answer().get_by_role("button", name="Continue")).to_have_count(0)


@pytest.mark.parametrize("mode", ["Chat", "Prompt", "Raw"])
def test_an_answer_that_was_stopped_goes_on(visitor: Visitor, service: EchoService, mode: str) -> None:
    service.delay = 0.2
    view = playground(visitor)
    view.page.get_by_label("System message").fill("Be brief.")
    view.page.get_by_role("radio", name=mode).check(force=True)
    text = "one two three four five six seven eight nine ten"
    view.say(text, wait=False)
    expect(view.answer().locator(".answer-text")).to_contain_text("one two")
    view.stop_button.click()
    view.finished()
    said = view.text()
    service.delay = 0
    view.answer().get_by_role("button", name="Continue").click()
    view.finished()
    request = service.requests[-1]
    if mode == "Raw":
        assert (request.prompt, request.raw) == (text + said, True)
        assert view.text() == said + text + said
        return
    system = [Message("system", "Be brief.")] if mode == "Chat" else []
    assert request.messages == (*system, Message("user", text), Message("assistant", said))
    # The echo repeats the last message.
    assert view.text() == said + said
    expect(view.answer().get_by_role("button", name="Continue")).to_have_count(0)
    expect(view.answer().locator(".answer-stats")).to_contain_text(f"{2 * len(said.split())} tokens")


def test_the_results_of_tools_are_given_back(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.page.get_by_text("More parameters").click()
    view.set_parameter("tools", '[{"name": "weather", "parameters": {"type": "object"}}]')
    view.say('!call:weather:{"city":"Paris"}')
    expect(view.page.get_by_role("list", name="Tool calls")).to_contain_text('"city": "Paris"')
    view.page.get_by_label("Result of weather").fill('{"celsius": 21}')
    view.page.get_by_role("button", name="Send result").click()
    view.finished()
    expect(view.page.locator(".bubble.results")).to_have_text('Result of weather{"celsius": 21}')
    assert service.requests[-1].messages == (
        Message("user", '!call:weather:{"city":"Paris"}'),
        Message("assistant", "", (ToolCall("call_1", "weather", '{"city":"Paris"}'),)),
        Message("tool", '{"celsius": 21}', tool_call_id="call_1", name="weather"),
    )
    view.say("thanks")
    assert [message.role for message in service.requests[-1].messages or ()] == [
        "user", "assistant", "tool", "assistant", "user"
    ]  # fmt: skip


def test_presets(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.set_parameter("top_k", 7)
    view.page.get_by_label("System message").fill("Be brief.")
    view.page.get_by_role("button", name="Save as…").click()
    view.page.get_by_role("dialog").get_by_label("Name").fill("brief <b>")
    view.page.get_by_role("dialog").get_by_role("button", name="Save").click()
    preset = view.page.get_by_label("Preset", exact=True)
    expect(preset).to_have_value("brief <b>")
    view.set_parameter("top_k", 8)
    expect(preset).to_have_value("")
    view.page.reload()
    view = Playground(view.page)
    preset.select_option("brief <b>")
    view.say("hello")
    assert service.requests[-1].sampling.top_k == 7
    assert (service.requests[-1].messages or ())[0] == Message("system", "Be brief.")
    view.page.get_by_role("button", name="Undo").click()
    expect(preset).to_have_value("")
    preset.select_option("brief <b>")
    view.page.get_by_role("button", name="Delete this preset").click()
    view.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(preset.locator("option")).to_have_text(["None saved yet"])


def test_shortcuts(visitor: Visitor) -> None:
    view = playground(visitor)
    view.say("first")
    view.page.keyboard.press("Control+Shift+O")
    expect(view.message).to_be_focused()
    expect(view.page.locator("fs-turn")).to_have_count(0)
    view.say("second")
    view.page.keyboard.press("Alt+ArrowDown")
    expect(view.page.locator(".bubble")).to_have_text(["first"])
    view.page.keyboard.press("Control+k")
    expect(view.search).to_be_focused()
    view.page.keyboard.press("Shift+Escape")
    expect(view.message).to_be_focused()
    view.page.keyboard.type("?")
    expect(view.page.get_by_role("dialog")).to_have_count(0)
    view.page.keyboard.press("Control+/")
    dialog = view.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("Ctrl+K")
    dialog.get_by_role("switch").uncheck()
    view.page.keyboard.press("Escape")
    view.send_button.evaluate("e => document.activeElement.blur()")
    view.page.keyboard.press("?")
    expect(dialog).to_have_count(0)


def test_two_models_side_by_side(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.page.get_by_label("Two side by side").check()
    view.page.get_by_label("Model 2").select_option(label=AWQ.rpartition("/")[2])
    view.say("both of you")
    assert [view.text(lane=0), view.text(lane=1)] == ["both of you"] * 2
    assert sorted(request.model for request in service.requests) == sorted([PLAIN, AWQ])
    assert view.answer(lane=1).get_by_role("heading").inner_text() == AWQ.rpartition("/")[2]
    view.answer(lane=1).get_by_role("button", name="Run again").click()
    view.finished()
    assert [request.model for request in service.requests][2:] == [AWQ]


def test_the_request_as_code_is_the_request(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.page.get_by_label("System message").fill('It\'s "quoted"')
    view.set_parameter("top_k", 3)
    view.say("first")
    view.message.fill("second\nline")
    view.page.get_by_role("button", name="View code", exact=True).click()
    dialog = view.page.get_by_role("dialog", name="This request as code")
    dialog.get_by_role("tab", name="JSON").click()
    body = json.loads(dialog.locator("pre").inner_text())
    assert body == {
        "messages": [
            {"role": "system", "content": 'It\'s "quoted"'},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "first"},
            {"role": "user", "content": "second\nline"},
        ],
        "stream": True,
        "top_k": 3,
    }
    dialog.get_by_role("tab", name="Exact prompt").click()
    expect(dialog.locator(".prompt-text")).to_have_text('It\'s "quoted"\nfirst\nfirst\nsecond\nline')
    view.page.keyboard.press("Escape")
    view.answer().get_by_role("button", name="View code of this request").click()
    view.page.get_by_role("tab", name="JSON").click()
    assert len(json.loads(view.page.get_by_role("dialog").locator("pre").inner_text())["messages"]) == 2


ERRORS = {
    "!busy": "The queue is full. Wait a moment, then try again.",
    "!missing": "Download the model first",
    "!lost": "The engine ended while it worked for this request.",
    "!later:lost": "The engine ended while it worked for this request.",
    "!bug": "Internal server error.",
}


def test_errors_are_told_with_what_to_do(visitor: Visitor) -> None:
    view = playground(visitor)
    for text, shown in ERRORS.items():
        view.say(text)
        problem = view.answer().get_by_role("alert")
        expect(problem).to_contain_text(shown)
        expect(problem).not_to_contain_text("secret detail")
        expect(problem).to_contain_text("request ")
        problem.get_by_role("button", name="Try again").click()
        view.finished()
        expect(view.answer().get_by_role("alert")).to_contain_text(shown)


def test_a_prompt_that_does_not_fit_is_told_before_and_after(visitor: Visitor) -> None:
    view = playground(visitor)
    view.set_parameter("max_tokens", 5000)
    view.message.fill("hello")
    expect(view.page.locator("#context-use")).to_have_text("5 of 4,096 tokens: no room for 5,000 more (max_tokens)")
    view.say("hello")
    expect(view.answer().get_by_role("alert")).to_contain_text("maximum context length is 4096 tokens")


def test_a_server_that_is_gone_is_told(visitor: Visitor, site: LiveServer) -> None:
    view = playground(visitor)
    view.page.context.set_offline(True)
    view.say("hello")
    expect(view.answer().get_by_role("alert")).to_contain_text("The server does not answer.")
    view.page.context.set_offline(False)
    view.answer().get_by_role("button", name="Try again").click()
    view.finished()
    expect(view.answer().locator(".answer-text")).to_have_text("hello")


def test_what_the_address_names_is_chosen(visitor: Visitor) -> None:
    assert playground(visitor, model=LORA).model.input_value() == LORA
    assert playground(visitor, model="@hf/no/such").model.input_value() == PLAIN


def _open_settings(page: Page) -> None:
    page.get_by_role("button", name="Settings").click()


def _open_conversations(page: Page) -> None:
    page.get_by_role("button", name="Conversations").click()


@pytest.mark.parametrize(
    ("opened", "shown"), [(_open_settings, "Two side by side"), (_open_conversations, "Kept in this browser only.")]
)
def test_on_a_phone_the_panels_open_and_close(visitor: Visitor, opened: Callable[[Page], None], shown: str) -> None:
    view = playground(visitor, phone=True)
    panel = view.page.get_by_text(shown)
    expect(panel).to_be_hidden()
    opened(view.page)
    expect(panel).to_be_visible()
    view.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    view.say("hello")
    assert view.text() == "hello"


def test_stop_really_stops_the_engine(visit: Callable[[str], Visitor], real_url: str) -> None:
    def stats() -> dict[str, int]:
        models = httpx.get(f"{real_url}/api/models", trust_env=False).json()["result"]["models"]
        [echo] = [model for model in models if model["name"] == "@hf/fireside/echo"]
        counts: dict[str, int] = echo["stats"]
        return counts

    view = Playground(visit(real_url).open("/playground?model=@hf/fireside/echo"))
    view.set_parameter("max_tokens", 4000)
    view.say("word " * 1000, wait=False)
    expect(view.answer().locator(".answer-text")).to_contain_text("word word")
    assert stats()["running"] == 1
    view.stop_button.click()
    view.finished()
    wait_until(lambda: stats()["running"] == 0)
    assert stats()["generated_tokens"] < 4000


def test_the_default_model_answers(visit: Callable[[str], Visitor], real_url: str) -> None:
    view = Playground(visit(real_url).open("/playground?model=@hf/huggingfacetb/smollm2-135m-instruct"))
    view.set_parameter("temperature", 0)
    view.message.fill("What is the capital of France?")
    expect(view.page.locator("#context-use")).to_have_text("37 of 8,192 tokens, 256 more at most")
    view.message.press("Enter")
    expect(view.answer().locator(".answer-text")).to_have_text("The capital of France is Paris.", timeout=120_000)
    expect(view.page.locator("#context-use")).to_have_text("44 of 8,192 tokens used")
