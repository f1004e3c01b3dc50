"""Fine-tunes in the playground: two files become one, it answers, and two of them stand side by side."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.adapters import CONFIG, WEIGHTS, make_adapter
from support.documents import ROOT
from support.echo_service import LORA, PLAIN, EchoService
from support.live_server import LiveServer
from support.visitor import Playground, Visitor

PIRATE = ROOT / "examples" / "finetune" / "adapter"
SMOLLM2 = "@hf/huggingfacetb/smollm2-135m-instruct"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "adapter")


def files(folder: Path) -> list[Path]:
    return [folder / CONFIG, folder / WEIGHTS]


def drop(page: Page, target: str, paths: list[Path]) -> None:
    """What the browser does when somebody lets go of files over an element."""
    given = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    page.evaluate(
        """async ([target, given]) => {
            const data = new DataTransfer();
            for (const [name, content] of given) {
                const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                data.items.add(new File([bytes], name));
            }
            for (const type of ["dragover", "drop"]) {
                const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
                document.querySelector(target).dispatchEvent(event);
            }
        }""",
        [target, given],
    )


def add(view: Playground, name: str, paths: list[Path]) -> None:
    view.page.get_by_role("button", name="Fine-tunes…").first.click()
    dialog = view.page.get_by_role("dialog")
    dialog.get_by_label("Adapter files").set_input_files(paths)
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Add fine-tune").click()


def test_files_that_are_dropped_become_a_fine_tune(visitor: Visitor, service: EchoService, adapter: Path) -> None:
    view = Playground(visitor.open(f"/playground?model={LORA}"))
    drop(view.page, "fs-chat", files(adapter))
    dialog = view.page.get_by_role("dialog", name=re.compile("Fine-tunes of"))
    expect(dialog.locator(".file-list .here")).to_have_count(2)
    dialog.get_by_label("Name").fill("mine")
    dialog.get_by_role("button", name="Add fine-tune").click()
    expect(dialog).to_have_count(0)
    expect(view.page.get_by_label("Fine-tune", exact=True)).to_have_value("mine")
    view.say("hello")
    assert service.requests[-1].adapter is not None
    view.page.get_by_label("Fine-tune", exact=True).select_option(label="None")
    view.say("hello")
    assert service.requests[-1].adapter is None


def test_files_one_by_one_and_what_is_wrong_with_them(visitor: Visitor, site: LiveServer, adapter: Path) -> None:
    view = Playground(visitor.open(f"/playground?model={LORA}"))
    view.page.get_by_role("button", name="Fine-tunes…").click()
    dialog = view.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("mine")
    dialog.get_by_role("button", name="Add fine-tune").click()
    expect(dialog).to_contain_text(f"{CONFIG} and {WEIGHTS} are missing.")
    drop(view.page, ".drop-zone", [Path(__file__)])
    expect(dialog).to_contain_text(f"{Path(__file__).name} is neither {CONFIG} nor {WEIGHTS}.")
    drop(view.page, ".drop-zone", [adapter / CONFIG])
    expect(dialog.locator(".file-list .here")).to_have_text([re.compile(CONFIG)])
    (adapter / WEIGHTS).write_bytes(b"\xff" * 64)
    drop(view.page, ".drop-zone", [adapter / WEIGHTS])
    dialog.get_by_role("button", name="Add fine-tune").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not a sound safetensors file")
    # What was begun is not in the way of the next try.
    assert site.client.get("/client/v4/accounts/local/ai/finetunes").json()["result"] == []


def test_the_list_tells_states_and_deletes(visitor: Visitor, site: LiveServer, adapter: Path) -> None:
    path = "/client/v4/accounts/local/ai/finetunes"
    for name, sent in (("whole", [CONFIG, WEIGHTS]), ("half", [CONFIG])):
        site.client.post(path, json={"model": LORA, "name": name})
        for file in sent:
            with (adapter / file).open("rb") as content:
                site.client.post(f"{path}/{name}/finetune-assets", data={"file_name": file}, files={"file": content})
    view = Playground(visitor.open(f"/playground?model={LORA}"))
    picker = view.page.get_by_label("Fine-tune", exact=True)
    expect(picker.locator("option")).to_have_count(3)
    assert sorted(picker.locator("option").all_inner_texts()) == ["None", "half (incomplete)", "whole"]
    expect(picker.locator("option[disabled]")).to_have_text(["half (incomplete)"])
    view.page.get_by_role("button", name="Fine-tunes…").click()
    dialog = view.page.get_by_role("dialog", name=re.compile("Fine-tunes of"))
    expect(dialog).to_contain_text(f"{WEIGHTS} is missing: upload it.")
    dialog.get_by_role("button", name="Delete half").click()
    view.page.get_by_role("dialog", name="Delete half?").get_by_role("button", name="Delete").click()
    expect(dialog.locator(".tunes li")).to_have_count(1)
    assert [one["name"] for one in site.client.get(path).json()["result"]] == ["whole"]


def test_a_model_that_takes_none_says_so(visitor: Visitor, adapter: Path) -> None:
    view = Playground(visitor.open(f"/playground?model={PLAIN}"))
    expect(view.page.get_by_role("button", name="Fine-tunes…")).to_be_disabled()
    expect(view.page.get_by_label("Fine-tune", exact=True)).to_be_disabled()
    drop(view.page, "fs-chat", files(adapter))
    expect(view.page.locator(".toast")).to_contain_text("takes no fine-tunes")


def test_other_files_are_told_what_belongs_here(visitor: Visitor) -> None:
    view = Playground(visitor.open(f"/playground?model={LORA}"))
    drop(view.page, "fs-chat", [Path(__file__)])
    expect(view.page.locator(".toast")).to_contain_text(CONFIG)


def test_the_default_model_beside_its_pirate(real_url: str, visit: Callable[[str], Visitor]) -> None:
    view = Playground(visit(real_url).open(f"/playground?model={SMOLLM2}"))
    add(view, "pirate", files(PIRATE))
    expect(view.page.get_by_label("Fine-tune", exact=True)).to_have_value("pirate", timeout=60_000)
    view.set_parameter("temperature", 0)
    view.set_parameter("max_tokens", 24)
    view.page.get_by_label("Two side by side").check()
    view.page.get_by_label("Fine-tune 1").select_option(label="None")
    view.say("What is the capital of France?", wait=False)
    view.send_button.wait_for(timeout=120_000)
    assert view.text(lane=0) == "The capital of France is Paris."
    assert view.text(lane=1) != view.text(lane=0)
    assert view.answer(lane=1).get_by_role("heading").inner_text() == "smollm2-135m-instruct + pirate"
