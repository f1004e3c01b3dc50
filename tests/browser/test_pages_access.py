"""For everybody: screen readers, keyboards, small windows, darkness, and people whom motion makes sick."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from support.axe import faults
from support.echo_service import LORA, PLAIN, EchoService
from support.live_server import LiveServer
from support.visitor import Playground, Visitor

MARKDOWN = """# A heading

* **bold** and `code`

[link](https://example.com) and $x^2$

```js
const code = 1; // so
```

|a|
|-|
|b|
"""


def empty(page: Page) -> None:
    Playground(page)


def conversation(page: Page) -> None:
    view = Playground(page)
    view.say(MARKDOWN)
    view.answer().get_by_role("button", name="Run again").click()
    view.finished()
    view.text()
    view.say("!lost")


def two_lanes(page: Page) -> None:
    if page.get_by_role("button", name="Settings").is_visible():
        page.get_by_role("button", name="Settings").click()
    page.get_by_label("Two side by side").check()
    page.get_by_text("More parameters").click()
    page.get_by_label("temperature", exact=True).first.fill("99")


def request_dialog(page: Page) -> None:
    Playground(page).message.fill("hello")
    page.get_by_role("button", name="View code", exact=True).click()
    page.get_by_role("tab", name="Exact prompt").click()
    expect(page.locator(".prompt-text")).to_have_text("hello")


def fine_tunes(page: Page) -> None:
    if page.get_by_role("button", name="Settings").is_visible():
        page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Fine-tunes…").click()
    expect(page.get_by_role("dialog")).to_contain_text("There are none yet.")


def tool_call(page: Page) -> None:
    if page.get_by_role("button", name="Settings").is_visible():
        page.get_by_role("button", name="Settings").click()
    page.get_by_text("More parameters").click()
    view = Playground(page)
    view.set_parameter("tools", '[{"name": "weather"}]')
    page.get_by_label("top_k", exact=True).first.fill("99")
    page.keyboard.press("Escape")
    view.say("refused", wait=False)
    expect(page.locator(".composer-refusal")).to_contain_text("top_k")
    page.get_by_role("button", name="Show top_k").click()
    page.get_by_role("button", name="Reset top_k").click()
    page.keyboard.press("Escape")
    view.say("!call:weather:{}")
    page.get_by_label("Result of weather").wait_for()


def search_and_shortcuts(page: Page) -> None:
    view = Playground(page)
    view.say("something to find")
    page.keyboard.press("Control+k")
    page.keyboard.type("find")
    expect(page.locator(".conversation-title")).to_have_count(1)
    page.keyboard.press("Control+/")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()


def reference(page: Page) -> None:
    run = page.locator("#runModel")
    run.locator("summary").first.click()
    run.locator(".schema-tree summary").first.click()
    run.get_by_role("tab", name="404").click()
    run.get_by_label("Body").focus()
    expect(run.get_by_label("model")).to_have_value(PLAIN)
    run.get_by_role("button", name="Send").click()
    expect(run).to_contain_text("200 OK")
    expect(run.get_by_label("Answer", exact=True)).to_contain_text("Why is pizza so good?")


def catalogue(page: Page) -> None:
    expect(page.locator("fs-model-card")).to_have_count(3)


def model_page(page: Page) -> None:
    expect(page.locator(".prompt-text")).not_to_be_empty()


FOCUSED = """() => {
    const it = document.activeElement;
    const name = it.getAttribute("aria-label") || it.labels?.[0]?.textContent || it.textContent.trim();
    // What it is drawn on, where the control itself is not drawn.
    const around = [it, it.parentElement, it.nextElementSibling];
    const shown = around.some((e) => e && getComputedStyle(e).outlineStyle !== "none");
    return [name, shown, it === document.body];
}"""
"""Name of what has the focus, whether one sees that, and whether nothing has it."""

VIEWS = [
    ("/", catalogue), (f"/models/{LORA}", model_page), ("/docs", reference),
    (f"/playground?model={LORA}", empty), (f"/playground?model={LORA}", conversation),
    (f"/playground?model={LORA}", two_lanes), (f"/playground?model={LORA}", tool_call),
    (f"/playground?model={LORA}", search_and_shortcuts), (f"/playground?model={LORA}", request_dialog),
    (f"/playground?model={LORA}", fine_tunes),
]  # fmt: skip
NARROW = {"width": 320, "height": 640}
ZOOMED = {"width": 320, "height": 256}
"""A window of 1280 by 1024 at 400 %."""


@pytest.mark.parametrize("look", [{"viewport": NARROW, "has_touch": True, "dark": True}, {}], ids=["narrow", "wide"])
def test_axe_finds_nothing(visitor: Visitor, look: dict[str, Any]) -> None:
    found = []
    for path, prepare in VIEWS:
        page = visitor.open(path, **look)
        prepare(page)
        found += [f"{prepare.__name__}: {fault}" for fault in faults(page)]
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth"), prepare.__name__
        page.context.close()
    assert found == []


def test_at_400_percent_everything_is_there(visitor: Visitor) -> None:
    for path in ("/", f"/models/{LORA}", "/docs"):
        page = visitor.open(path, viewport=ZOOMED)
        page.locator("h1").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.context.close()
    view = Playground(visitor.open(f"/playground?model={PLAIN}", viewport=ZOOMED))
    view.say("hello")
    # Half of the window at least is for what is read.
    assert view.page.evaluate("document.querySelector('fs-chat').clientHeight >= innerHeight / 2")
    assert view.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(view.page.get_by_role("button", name="Settings")).to_be_in_viewport()


COLOURS = """(selectors) => selectors.map((selector) => {
    const style = getComputedStyle(document.querySelector(selector));
    return `${style.backgroundColor} ${style.color}`;
})"""


def test_what_is_chosen_is_seen_in_forced_colours(visitor: Visitor) -> None:
    view = Playground(visitor.open(f"/playground?model={PLAIN}", forced_colors="active"))
    view.say("one")
    view.page.get_by_role("button", name="New conversation").click()
    view.say("two")
    pairs = [
        ("nav [aria-current]", "nav a:not([aria-current])"),
        (".modes input:checked + span", ".modes input:not(:checked) + span"),
        (".conversation-list .current .conversation-title", ".conversation-list li:not(.current) .conversation-title"),
    ]
    page = view.page
    for chosen, other in pairs:
        first, second = page.evaluate(COLOURS, [chosen, other])
        assert first != second, chosen
    page.goto(f"{visitor.url}/models/{PLAIN}")
    page.get_by_role("tab").first.wait_for()
    first, second = page.evaluate(COLOURS, ["[role=tab][aria-selected=true]", "[role=tab][aria-selected=false]"])
    assert first != second


def test_axe_finds_nothing_in_the_token_dialog(visitor: Visitor, site: LiveServer) -> None:
    site.store.create_token("team", "test")
    page = visitor.open("/playground")
    page.get_by_label("API token").wait_for()
    assert faults(page) == []


def test_a_conversation_by_keyboard_alone(visitor: Visitor, service: EchoService) -> None:
    page = visitor.open(f"/playground?model={PLAIN}")
    view = Playground(page)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the message")
    page.keyboard.press("Enter")
    expect(view.message).to_be_focused()
    page.keyboard.type("first line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second")
    page.keyboard.press("Enter")
    view.finished()
    assert service.requests[-1].messages[0].content == "first line\nsecond"  # type: ignore[index]
    expect(view.message).to_be_focused()
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused[2]:
            continue  # past the last, before the first
        assert focused[1], f"no visible focus on {focused[0]!r}"
        seen.add(focused[0])
    for name in ("Stop", "Send"):
        assert name not in seen  # nothing to send, nothing to stop: disabled
    assert {
        "View code",
        "Two side by side",
        "temperature",
        "New conversation",
        "Edit this message",
        "Run again",
    } <= seen


def test_focus_comes_back_from_a_dialog(visitor: Visitor) -> None:
    page = visitor.open(f"/playground?model={PLAIN}")
    Playground(page)
    button = page.get_by_role("button", name="View code", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(button).to_be_focused()


def test_tabs_by_arrow_keys(visitor: Visitor) -> None:
    page = visitor.open(f"/models/{PLAIN}")
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="TypeScript")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="curl")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    expect(page.get_by_role("tabpanel", name="TypeScript")).to_be_visible()


def test_answers_are_announced_once_and_whole(visitor: Visitor, service: EchoService) -> None:
    service.delay = 0.02
    page = visitor.open(f"/playground?model={PLAIN}")
    view = Playground(page)
    page.evaluate(
        """() => {
            window.spoken = [];
            new MutationObserver(() => {
                const text = document.querySelector("[role=status]")?.textContent;
                if (text && text !== window.spoken.at(-1)) window.spoken.push(text);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    view.say("one two three four five")
    assert page.evaluate("window.spoken") == ["Answering.", "Answer: one two three four five"]
    assert page.locator("fs-chat").get_attribute("aria-live") is None


def test_light_and_dark_by_choice_and_by_system(visitor: Visitor) -> None:
    def background(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page = visitor.open("/", dark=False)
    light = background(page)
    page.get_by_role("button", name="Dark colours").click()
    dark = background(page)
    assert dark != light
    page.goto(f"{visitor.url}/playground")
    assert background(page) == dark
    assert background(visitor.open("/", dark=True)) == dark


def test_the_two_dark_colour_schemes_are_the_same() -> None:
    """One is for the system's choice, one for the user's: CSS has no way to say them once."""
    from fireside.web.assets import load_assets

    sheet = load_assets().file("style.css")
    assert sheet is not None
    text = sheet.body.decode()
    blocks = re.findall(r'(?::not\(\[data-theme="light"\]\)|\[data-theme="dark"\]) \{(.*?)\}', text, re.DOTALL)
    first, second = ([line.strip() for line in block.strip().splitlines()] for block in blocks)
    assert first == second


def test_those_who_want_no_motion_get_none(visitor: Visitor, service: EchoService) -> None:
    service.prefill = 60
    page = visitor.open(f"/playground?model={PLAIN}", reduced_motion="reduce")
    view = Playground(page)
    view.say("hello", wait=False)
    page.locator(".thinking").wait_for()
    running = page.evaluate("document.getAnimations().filter((a) => a.effect.getComputedTiming().duration > 1).length")
    assert running == 0
    view.stop_button.click()
    view.finished()
