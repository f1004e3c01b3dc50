"""The playground: what one says, what is sent, and what is shown."""

import json
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from fireside.engine.types import Sampling
from fireside.prompting.messages import Message
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
    given = {
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


@pytest.mark.parametrize(("name", "wrong"), [("temperature", "5.01"), ("top_k", "51"), ("top_k", "1.5"), ("seed", "0")])
def test_a_value_out_of_bounds_is_told_and_not_sent(
    visitor: Visitor, service: EchoService, name: str, wrong: str
) -> None:
    view = playground(visitor)
    view.set_parameter(name, wrong)
    control = view.parameter(name)
    expect(control.get_by_role("alert")).to_contain_text("to")
    expect(control.get_by_role("spinbutton")).to_have_attribute("aria-invalid", "true")
    view.say("hello")
    assert service.requests[-1].sampling == Sampling()


def test_json_that_is_none_is_told(visitor: Visitor) -> None:
    view = playground(visitor)
    view.page.get_by_text("More parameters").click()
    view.set_parameter("tools", "[{")
    expect(view.parameter("tools").get_by_role("alert")).to_contain_text("not JSON yet")


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


def test_an_edited_turn_goes_on_from_there_and_can_be_undone(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    for text in ("one", "two", "three"):
        view.say(text)
    view.page.locator("fs-turn").nth(1).get_by_role("button", name="Edit this message").click()
    field = view.page.get_by_role("textbox", name="Edit this message")
    field.fill("second")
    field.press("Control+Enter")
    expect(view.page.locator(".bubble")).to_have_text(["one", "second"])
    view.finished()
    assert [message.content for message in service.requests[-1].messages or ()] == ["one", "one", "second"]
    view.page.get_by_role("button", name="Undo").click()
    expect(view.page.locator(".bubble")).to_have_text(["one", "two", "three"])


def test_an_edited_answer_is_what_was_said(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.say("one")
    view.answer().get_by_role("button", name="Edit this answer").click()
    view.page.get_by_role("textbox", name="Edit this answer").fill("other words")
    view.page.get_by_role("button", name="Save").click()
    expect(view.answer()).to_contain_text("Edited by you.")
    view.say("two")
    assert [message.content for message in service.requests[-1].messages or ()] == ["one", "other words", "two"]


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("!busy", "The queue is full. Wait a moment, then try again."),
        ("!missing", "Download the model first"),
        ("!lost", "The engine ended while it worked for this request."),
        ("!later:lost", "The engine ended while it worked for this request."),
        ("!bug", "Internal server error."),
    ],
)
def test_errors_are_told_with_what_to_do(visitor: Visitor, text: str, shown: str) -> None:
    view = playground(visitor)
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
        return echo["stats"]

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
