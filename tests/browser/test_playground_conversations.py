"""Conversations stay in the browser: kept, named, deleted, and carried from one to another as files."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from support.echo_service import LORA, PLAIN, EchoService
from support.visitor import Playground, Visitor


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
    return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))


def bring(view: Playground, content: object, name: str = "file.json") -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    view.page.get_by_label("File to import").set_input_files({"name": name, "mimeType": "text/plain", "buffer": data})


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


def test_an_answer_that_was_cut_off_by_closing_the_page_is_there(visitor: Visitor, service: EchoService) -> None:
    service.prefill = 60
    view = playground(visitor)
    view.say("hello", wait=False)
    expect(view.page.locator(".conversation-title")).to_have_text(["hello"])
    view.page.reload()
    view.page.get_by_role("button", name="hello", exact=True).click()
    expect(view.page.locator("fs-answer")).to_contain_text("Stopped.")


def test_rename_and_delete(visitor: Visitor) -> None:
    view = playground(visitor)
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
    for conversation in (*first["conversations"], *second["conversations"]):
        for changing in ("id", "updated"):
            del conversation[changing]
        for turn in conversation["turns"]:
            del turn["id"]
    assert second == first


def test_an_import_adds_and_never_replaces(visitor: Visitor) -> None:
    view = playground(visitor)
    view.say("only one")
    bring(view, exported(view))
    expect(view.page.locator(".conversation-title")).to_have_text(["only one", "only one"])


def conversation(**changes: object) -> dict[str, object]:
    made = {
        "title": "", "updated": 1, "mode": "chat", "system": "", "parameters": {}, "turns": [],
        "lanes": [{"model": PLAIN, "lora": ""}],
    }  # fmt: skip
    return made | changes


def wrapped(*conversations: object) -> dict[str, object]:
    return {"format": "fireside-conversations", "version": 1, "conversations": conversations}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        ([], "holds no conversations"),
        ({"format": "other"}, "holds no conversations"),
        (wrapped() | {"version": 2}, "holds no conversations"),
        (wrapped(5), "Conversation 1 of file.json: it is no object."),
        (wrapped(conversation(), conversation(mode="x")), "Conversation 2 of file.json: it has a mode other than"),
        (wrapped(conversation(lanes=[])), "has no model"),
        (wrapped(conversation(lanes=[{"model": 1}])), "a model that is no text"),
        (wrapped(conversation(turns={})), "turns that are no list"),
        (wrapped(conversation(turns=[{"text": "a", "answers": [{}]}])), "a state other than"),
        (wrapped(conversation(parameters=[])), "parameters must be an object"),
        (wrapped(conversation(title=["<img src=x onerror=alert(1)>"])), "a title that is no text"),
    ],
)
def test_a_file_that_is_none_is_told(visitor: Visitor, content: object, told: str) -> None:
    view = playground(visitor)
    bring(view, content)
    expect(view.page.locator(".toast")).to_contain_text(told)
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
