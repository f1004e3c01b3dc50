"""Conversations stay in the browser: kept, named, deleted, and carried from one to another as files."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from support.conversations import bring, conversation, turn, wrapped
from support.echo_service import LORA, PLAIN, EchoService
from support.live_server import wait_until
from support.visitor import Playground, Visitor, databases


def playground(visitor: Visitor) -> Playground:
    return Playground(visitor.open(f"/playground?model={PLAIN}"))


def titles(page: Page) -> list[str]:
    return page.locator(".conversation-title").all_inner_texts()


def act(page: Page, title: str, action: str) -> None:
    page.get_by_text(title, exact=True).first.hover()
    page.get_by_role("button", name=f"Actions for {title}").click()
    page.get_by_role("menuitem", name=action).click()


def exported(view: Playground, button: str = "Export") -> dict[str, Any]:
    with view.page.expect_download() as download:
        view.page.get_by_role("button", name=button, exact=True).click()
    data: dict[str, Any] = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    return data


def test_they_are_kept(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    view.set_parameter("top_k", 9)
    view.say("first of all")
    view.page.get_by_role("button", name="New conversation").click()
    expect(view.page.locator("fs-turn")).to_have_count(0)
    view.say("second of all")
    view.page.reload()
    view = Playground(view.page)
    expect(view.page.locator(".conversation-title")).to_have_text(["second of all", "first of all"])
    view.page.get_by_role("button", name="first of all", exact=True).click()
    expect(view.answer().locator(".answer-text")).to_have_text("first of all")
    view.say("goes on")
    assert service.requests[-1].sampling.top_k == 9
    assert [message.content for message in service.requests[-1].messages or ()] == ["first of all"] * 2 + ["goes on"]
    assert titles(view.page) == ["first of all", "second of all"]


def test_what_had_come_when_the_page_was_reloaded_is_there_and_goes_on(visitor: Visitor, service: EchoService) -> None:
    service.delay = 0.1
    view = playground(visitor)
    view.say(" ".join(f"word{number}" for number in range(300)), wait=False)
    # Written a little after it came.
    wait_until(lambda: '"text":"word0 word1 word2' in databases(view.page).replace(view.said()[0], ""))
    view.page.reload()
    view = Playground(view.page)
    expect(view.answer()).to_contain_text("The page was closed before the answer’s end.")
    said = view.text()
    assert said.startswith("word0 word1 word2")
    service.delay = 0
    view.answer().get_by_role("button", name="Continue").click()
    view.finished()
    assert (service.requests[-1].messages or ())[-1].content.strip() == said
    assert view.text() == said + said


def beside(view: Playground, script: str = "") -> Playground:
    """The same conversation in another tab."""
    page = view.page.context.new_page()
    page.add_init_script(script)
    page.goto(view.page.url)
    return Playground(page)


def test_two_tabs_that_hear_nothing_of_each_other_lose_nothing(visitor: Visitor) -> None:
    one = playground(visitor)
    one.say("to begin with")
    two = beside(one, "BroadcastChannel.prototype.addEventListener = () => {}")
    expect(two.page.locator(".bubble")).to_have_text(["to begin with"])
    two.page.evaluate("BroadcastChannel.prototype.postMessage = () => {}")
    one.set_parameter("top_k", 9)
    two.page.get_by_label("System message").fill("Be brief.")
    one.say("one says this")
    two.say("two says that")
    expect(two.page.locator(".versions")).to_have_count(0)
    three = beside(one)
    assert three.page.get_by_label("System message").input_value() == "Be brief."
    assert three.parameter("top_k").get_by_role("spinbutton").input_value() == "9"
    turn = three.page.locator("fs-turn").nth(1)
    expect(turn.locator(".versions")).to_have_text("2/2")
    assert three.said() == ["to begin with", "two says that"]
    turn.get_by_role("button", name="Version before").click()
    expect(three.page.locator(".bubble")).to_have_text(["to begin with", "one says this"])
    assert three.text() == "one says this"


def test_another_tab_follows(visitor: Visitor, service: EchoService) -> None:
    one = playground(visitor)
    one.say("to begin with")
    two = beside(one)
    service.delay = 0.2
    one.say("and now this long answer", wait=False)
    expect(two.page.locator(".bubble")).to_have_count(2)
    two.say("too early", wait=False)
    expect(two.page.locator(".composer-refusal")).to_contain_text("another tab is answering")
    one.finished()
    expect(two.answer().locator(".answer-text")).to_have_text("and now this long answer")
    one.set_parameter("top_k", 9)
    expect(two.parameter("top_k").get_by_role("spinbutton")).to_have_value("9")
    two.page.get_by_label("System message").fill("Be brief.")
    expect(one.page.get_by_label("System message")).to_have_value("Be brief.")
    act(one.page, "to begin with", "Delete")
    one.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(two.page.locator(".toast")).to_contain_text("deleted in another tab")
    expect(two.page.locator("fs-turn")).to_have_count(0)


def test_the_history_is_searched_and_walked(visitor: Visitor) -> None:
    view = playground(visitor)
    for text in ("apples and pears", "a campfire at night"):
        view.say(text)
        view.page.get_by_role("button", name="New conversation").click()
    view.search.fill("PEARS")
    expect(view.page.locator(".conversation-title")).to_have_text(["apples and pears"])
    view.page.get_by_role("button", name="apples and pears", exact=True).click()
    view.say("something <else>")
    view.search.fill("<else>")
    expect(view.page.locator(".conversation-title")).to_have_text(["apples and pearssomething <else>"])
    view.search.fill("nowhere")
    expect(view.page.locator(".conversation-list")).to_have_text("Nothing is found.")
    view.search.press("Escape")
    expect(view.page.locator(".conversation-title")).to_have_count(2)
    view.page.get_by_role("button", name="a campfire at night", exact=True).click()
    expect(view.page.locator(".bubble")).to_have_text(["a campfire at night"])
    view.page.go_back()
    expect(view.page.locator(".bubble")).to_have_text(["apples and pears", "something <else>"])
    view.page.goto(f"{visitor.url}/playground?c=none")
    expect(view.page.locator(".toast")).to_contain_text("does not have")


def test_what_an_older_version_kept_is_read(visitor: Visitor) -> None:
    page = visitor.open("/models/" + PLAIN)
    page.locator("h1").wait_for()
    old = conversation(id="old", title="", turns=[turn("first words", "hi"), turn("second", "ho")])
    page.evaluate(
        """(old) => new Promise((resolve) => {
            const request = indexedDB.open("fireside", 1);
            request.onupgradeneeded = () => request.result.createObjectStore("conversations", { keyPath: "id" });
            request.onsuccess = () => {
                const change = request.result.transaction("conversations", "readwrite");
                change.objectStore("conversations").put(old);
                change.oncomplete = () => (request.result.close(), resolve());
            };
        })""",
        old,
    )
    page.goto(f"{visitor.url}/playground?c=old")
    view = Playground(page)
    expect(page.locator(".conversation-title")).to_have_text(["first words"])
    assert view.said() == ["first words", "second"]
    assert [view.text(0), view.text(1)] == ["hi", "ho"]


def test_rename_and_delete(visitor: Visitor, service: EchoService) -> None:
    view = playground(visitor)
    service.delay = 0.2
    view.say("deleted while it is answered, and gone for good", wait=False)
    expect(view.answer().locator(".answer-text")).to_contain_text("deleted while")
    act(view.page, "deleted while it is answered, and gone for good", "Delete")
    view.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    wait_until(lambda: service.running == 0)
    service.delay = 0
    view.say("some text")
    act(view.page, "some text", "Rename")
    field = view.page.get_by_role("textbox", name="Title")
    field.fill("A <b>better</b> name")
    field.press("Enter")
    assert titles(view.page) == ["A <b>better</b> name"]
    act(view.page, "A <b>better</b> name", "Rename")
    view.page.get_by_role("textbox", name="Title").fill("never mind")
    view.page.keyboard.press("Escape")
    assert titles(view.page) == ["A <b>better</b> name"]
    act(view.page, "A <b>better</b> name", "Delete")
    view.page.get_by_role("button", name="Cancel").click()
    assert len(titles(view.page)) == 1
    act(view.page, "A <b>better</b> name", "Delete")
    view.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(view.page.locator(".conversation-title")).to_have_count(0)
    expect(view.page.locator("fs-turn")).to_have_count(0)
    view.page.reload()
    Playground(view.page)
    assert titles(view.page) == []
    assert "gone for good" not in databases(view.page)


def test_export_and_import_give_the_same(visitor: Visitor) -> None:
    view = playground(visitor)
    view.page.get_by_label("System message").fill("Be brief. ✂️")
    view.page.get_by_label("Two side by side").check()
    view.page.get_by_label("Model 2").select_option(LORA)
    view.say("to carry \u202e over")
    first = exported(view)
    assert first["format"] == "fireside-conversations"
    other = Playground(visitor.open("/playground"))
    bring(other, first)
    expect(other.page.locator("fs-answer .answer-text")).to_have_text(["to carry \u202e over"] * 2)
    assert other.page.get_by_label("System message").input_value() == "Be brief. ✂️"
    second = exported(other)
    for one in (*first["conversations"], *second["conversations"]):
        for changing in ("id", "updated", "head"):
            del one[changing]
        one["turns"] = [{**each, "id": "", "parent": ""} for each in one["turns"]]
    assert second == first


def test_an_import_adds_and_never_replaces(visitor: Visitor) -> None:
    view = playground(visitor)
    view.say("only one")
    bring(view, exported(view))
    expect(view.page.locator(".conversation-title")).to_have_text(["only one", "only one"])


NO_FILES = [
    (b"{", "is not JSON"),
    (b"\xff\xfe\x00", "is not JSON"),
    ([], "holds no conversations"),
    ({"format": "other"}, "holds no conversations"),
    (wrapped() | {"version": 3}, "holds no conversations"),
    (wrapped(5), "Conversation 1 of file.json: it is not an object."),
    (wrapped(conversation(), conversation(mode="x")), "Conversation 2 of file.json: it has a mode other than"),
    (wrapped(conversation(lanes=[])), "has no model"),
    (wrapped(conversation(lanes=[{"model": 1}])), "a model that is not a text"),
    (
        wrapped(conversation(lanes=[{"model": "../../../api/models/x/download?"}])),
        "a model that is not the id of one",
    ),
    (wrapped(conversation(lanes=[{"model": "@cf/../.."}])), "a model that is not the id of one"),
    (wrapped(conversation(turns={})), "turns that are no list"),
    (wrapped(conversation(turns=[{"text": "a", "answers": [{}]}])), "a state other than"),
    (wrapped(conversation(parameters=[])), "parameters must be an object"),
    (wrapped(conversation(title=["<img src=x onerror=alert(1)>"])), "a title that is not a text"),
]
"""What a file has, and what is told of it."""


def test_a_file_that_is_none_is_told(visitor: Visitor) -> None:
    view = playground(visitor)
    for content, told in NO_FILES:
        bring(view, content)
        expect(view.page.locator(".toast")).to_contain_text(told)
        view.page.get_by_role("button", name="Dismiss").click()
    assert titles(view.page) == []


def test_what_an_import_brings_beyond_the_format_is_dropped(visitor: Visitor) -> None:
    view = playground(visitor)
    parameters = {"top_k": 5, "__proto__": {"x": 1}, "bad name": 1}
    bring(view, wrapped(conversation(title="<b>t</b>", parameters=parameters, token="secret", id="fixed")))
    expect(view.page.locator(".conversation-title")).to_have_text(["<b>t</b>"])
    [found] = exported(view)["conversations"]
    assert found["parameters"] == {"top_k": 5}
    assert "token" not in found
    assert found["id"] != "fixed"
