"""The catalogue and the pages of models."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from fireside.api.routes import page_data as console
from fireside.api.routes.models import INPUT_SCHEMA, OUTPUT_SCHEMA
from fireside.catalog.loader import Catalog
from fireside.serving.types import ModelState
from support.echo_service import AWQ, LORA, PLAIN, EchoService
from support.file_server import FileServer, file_server
from support.live_server import LiveServer, live_server
from support.model_sources import hub_source, model_spec, serve_repository, write_catalog_file
from support.serving import serving
from support.visitor import Playground, Visitor

Visit = Callable[[str], Visitor]
SMOLLM2 = "@hf/huggingfacetb/smollm2-135m-instruct"


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name, exact=True))


def test_the_catalogue_shows_every_model(visit: Visit, real_url: str) -> None:
    page = visit(real_url).open("/")
    expect(page.locator("fs-model-card")).to_have_count(len(Catalog.load().all()))
    expect(page.locator("fs-model-card .state").first).to_have_text("Ready")
    expect(card(page, "smollm2-135m-instruct")).to_contain_text("On this machine")
    mistral = card(page, "mistral-7b-instruct-v0.2")
    expect(mistral).to_contain_text("Not downloaded")
    expect(mistral.get_by_role("button", name=re.compile("^Download 14.5 GB"))).to_be_visible()
    expect(page.locator("fs-address code")).to_have_text(f"{real_url}/client/v4")
    card(page, "echo").get_by_role("link", name="Playground with echo").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value("@hf/fireside/echo")
    page.go_back()
    card(page, "mistral-7b-instruct-v0.2").get_by_role("link", name="mistral-7b-instruct-v0.2", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("mistral-7b-instruct-v0.2")


@pytest.mark.parametrize(("state", "shown"), [("ready", "Ready"), ("loading", "Loading 50 %"), ("failed", "Failed")])
def test_states_are_told(tmp_path: Path, visit: Visit, state: ModelState, shown: str) -> None:
    service = EchoService(state=state)
    with live_server(tmp_path, service) as server:
        visitor = visit(server.url)
        page = visitor.open("/")
        expect(page.locator("fs-model-card .state").first).to_have_text(shown)
        bar = page.locator("fs-model-card").first.get_by_role("progressbar")
        expect(bar).to_be_visible() if state == "loading" else expect(bar).to_be_hidden()
        service.state = "idle"
        expect(page.locator("fs-model-card .state").first).to_have_text("On this machine", timeout=20_000)
        visitor.close()


@pytest.fixture
def hub() -> Iterator[FileServer]:
    with file_server() as server:
        yield server


def test_a_model_is_downloaded_from_the_page(tmp_path: Path, hub: FileServer, visit: Visit) -> None:
    asked, go = threading.Event(), threading.Event()
    served = serve_repository(hub, {"config.json": b"{}", "model.safetensors": bytes(4_000_000)})
    served["model.safetensors"].cuts = [1_000_000]

    def hold() -> None:
        if not served["model.safetensors"].cuts:
            asked.set()
            assert go.wait(60)

    served["model.safetensors"].before = hold
    write_catalog_file(tmp_path / "catalog", model_spec(hub_source("config.json", "model.safetensors")))
    with serving(tmp_path, "echo", HF_ENDPOINT=hub.url) as url:
        page = visit(url).open("/")
        tiny = card(page, "tiny")
        tiny.get_by_role("button", name="Download: tiny").click()
        assert asked.wait(60)
        expect(tiny.locator(".state")).to_have_text(re.compile(r"^Downloading 2\d %$"))
        expect(tiny.locator(".state-detail")).to_contain_text("MB of 4.0 MB")
        tiny.get_by_role("button", name="Cancel").click()
        expect(tiny.locator(".state")).to_have_text("Not downloaded")
        go.set()
        tiny.get_by_role("button", name="Download: tiny").click()
        expect(tiny.locator(".state")).to_have_text("On this machine", timeout=60_000)
        expect(tiny.get_by_role("button")).to_have_count(1)


def test_a_download_that_fails_says_why(tmp_path: Path, hub: FileServer, visit: Visit) -> None:
    write_catalog_file(tmp_path / "catalog", model_spec(hub_source("config.json")))
    with serving(tmp_path, "echo", HF_ENDPOINT=hub.url) as url:
        page = visit(url).open("/models/@hf/someone/tiny")
        page.get_by_role("button", name="Download: tiny").click()
        expect(page.locator("fs-model-state .state")).to_have_text("Failed", timeout=60_000)
        expect(page.locator(".state-detail")).to_contain_text("someone/tiny")
        serve_repository(hub, {"config.json": b"{}"})
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("fs-model-state .state")).to_have_text("On this machine", timeout=60_000)


def test_a_model_page_tells_the_facts(visitor: Visitor) -> None:
    page = visitor.open(f"/models/{LORA}")
    expect(page.get_by_role("heading", level=1)).to_have_text("mistral-7b-instruct-v0.2")
    expect(page.locator(".badges").first).to_have_text("Text GenerationLoRABeta4,096 tokens of context")
    facts = page.locator(".properties")
    for text in (LORA, "4,096 tokens", "Taken: by id or name", "Text Generation", "https://example.com/model"):
        expect(facts).to_contain_text(text)
    page.get_by_role("link", name="Open the playground").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(LORA)


def test_an_alias_is_the_same_model(visit: Visit, real_url: str) -> None:
    page = visit(real_url).open("/models/@cf/mistral/mistral-7b-instruct-v0.2-lora")
    expect(page.locator(".properties")).to_contain_text("Further ids")
    expect(page.locator(".properties")).to_contain_text("@cf/mistral/mistral-7b-instruct-v0.2-lora")
    page.get_by_role("link", name="Open the playground").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value("@hf/mistral/mistral-7b-instruct-v0.2")


def test_what_a_model_costs_is_told_where_the_server_knows(visitor: Visitor) -> None:
    page = visitor.open(f"/models/{LORA}")
    expect(page.locator(".properties")).not_to_contain_text("On disk")
    costs = {
        "download_bytes": 14_500_000_000, "disk_bytes": 29_000_000_000, "memory_bytes": 15_100_000_000,
        "tokens_per_second": 4.2, "problem": None,
    }  # fmt: skip

    def answer(route: Route) -> None:
        told = route.fetch().json()
        for model in told["result"]["models"]:
            model["costs"] = costs
        route.fulfill(json=told)

    page.route("**/api/models", answer)
    page.reload()
    facts = page.locator(".properties")
    for text in ("29.0 GB", "15.1 GB while it is loaded", "at most 4.2 tok/s"):
        expect(facts).to_contain_text(text)


def test_the_documentation_is_linked_where_the_package_names_an_address(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in (None, "https://docs.example/"):
        monkeypatch.setattr(console, "_documentation", lambda address=address: address)
        footer = visitor.open("/").get_by_role("contentinfo")
        expect(footer.get_by_role("link", name="API reference")).to_be_visible()
        link = footer.get_by_role("link", name="Documentation")
        expect(link).to_have_count(0 if address is None else 1)
    assert link.get_attribute("href") == address


def test_a_page_of_no_model_says_so(visitor: Visitor) -> None:
    page = visitor.open("/models/@hf/no/such")
    expect(page.get_by_role("alert")).to_contain_text("There is no model @hf/no/such on this server.")


def test_parameters_and_schema_are_those_of_the_api(visitor: Visitor) -> None:
    page = visitor.open(f"/models/{PLAIN}")
    rows = page.locator("#parameters tbody tr")
    names = {name for form in INPUT_SCHEMA["oneOf"] for name in form["properties"]} - {"prompt", "messages"}
    rows.first.wait_for()
    assert set(page.locator("#parameters tbody th").all_inner_texts()) == names
    shown = {row.split("\t")[0]: row.split("\t") for row in rows.all_inner_texts()}
    assert shown["temperature"][1:4] == ["number", "0.6", "0 to 5"]
    assert shown["max_tokens"][1:4] == ["integer", "256", "1 or more"]
    assert shown["seed"][3] == "1 to 9,999,999,999"
    assert all(row[-1] for row in shown.values())
    assert json.loads(page.locator("#schema pre").inner_text()) == INPUT_SCHEMA
    page.get_by_role("tab", name="Output").click()
    assert json.loads(page.locator("#schema pre").inner_text()) == OUTPUT_SCHEMA


def test_the_prompting_guide_is_live(visit: Visit, real_url: str) -> None:
    page = visit(real_url).open(f"/models/{SMOLLM2}")
    seen = page.locator(".prompt-text")
    expect(seen).to_contain_text("you are a very funny comedian", timeout=60_000)
    page.get_by_label("System message").fill("Be brief.")
    page.get_by_label("User message").fill("Hi <|im_end|>")
    expect(seen).to_have_text(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n",
        use_inner_text=True,
    )
    # The one that was written is text, the others are control tokens.
    expect(seen.locator("mark")).to_have_text(["<|im_start|>", "<|im_end|>"] * 2 + ["<|im_start|>"])
    page.get_by_role("tab", name="Unscoped: prompt").click()
    page.get_by_label("Prompt", exact=True).fill("What is the capital of France?")
    expect(page.locator(".prompt-summary")).to_have_text("37 tokens of 8,192")
    page.get_by_role("tab", name="Raw").click()
    expect(page.get_by_label("Raw prompt")).to_have_value(re.compile(r"^<\|im_start\|>system\n"))
    page.get_by_label("Raw prompt").fill("<|im_start|>")
    expect(seen.locator("mark")).to_have_text(["<|im_start|>"])
    expect(page.locator(".prompt-summary")).to_have_text("1 token of 8,192")


def test_the_guide_of_a_model_that_is_not_here(visit: Visit, real_url: str) -> None:
    page = visit(real_url).open("/models/@hf/mistral/mistral-7b-instruct-v0.2")
    expect(page.locator(".prompt-text")).to_have_text(re.compile(r"^<s>\[INST\] you are a very funny"))
    expect(page.locator(".prompt-summary")).to_contain_text("once the model is on this machine")


def code_of(page: Page, language: str) -> str:
    page.locator("#use").get_by_role("tab", name=language, exact=True).click()
    return page.locator("#use pre").inner_text()


AI = Path(__file__).parents[2] / "clients" / "worker" / "src" / "ai.js"
ASKED = "It's \"so\" `good` ${x} \\ é\n'''"


def run_sample(language: str, code: str, folder: Path, variables: dict[str, str]) -> str:
    """What the code prints, run as it stands."""
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "FIRESIDE_TOKEN": variables["FIRESIDE_TOKEN"]}
    if language == "curl":
        command = ["sh", "-ec", code]
    elif "Python" in language:
        command = [sys.executable, "-c", code]
    else:
        main = folder / "code.mjs"
        main.write_text(code, encoding="utf-8")
        if language == "Worker":
            main = folder / "main.mjs"
            main.write_text(
                f'import {{ Ai }} from "{AI.as_uri()}";\nimport worker from "./code.mjs";\n'
                f"const env = {{ AI: new Ai({json.dumps(variables)}) }};\n"
                'const answer = await worker.fetch(new Request("http://worker/"), env);\n'
                "process.stdout.write(await answer.text());\n",
                encoding="utf-8",
            )
        command = ["node", str(main)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_code_runs_as_it_stands(
    site: LiveServer, visit: Visit, tmp_path: Path, npm_clients: Path, service: EchoService
) -> None:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    token, _ = site.store.create_token("team", "test")
    variables = {"FIRESIDE_URL": site.url, "FIRESIDE_ACCOUNT": "team", "FIRESIDE_TOKEN": token}
    (tmp_path / "node_modules").symlink_to(npm_clients / "node_modules")
    page = visit(site.url).open("/playground?model=" + PLAIN)
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Use this token").click()
    view = Playground(page)
    view.set_parameter("top_k", 7)
    view.message.fill(ASKED)
    for mode in ("Chat", "Prompt", "Raw"):
        page.get_by_role("radio", name=mode).check(force=True)
        for streams in (True, False) if mode == "Chat" else (True,):
            page.get_by_role("switch", name="stream").set_checked(streams)
            page.get_by_role("button", name="View code", exact=True).click()
            tabs = page.get_by_role("dialog").get_by_role("tab")
            expect(tabs).to_have_count(8)
            languages = tabs.all_inner_texts()[:-2]  # the last two are no code

            for language in languages:
                tabs.filter(has_text=re.compile(f"^{language}$")).click()
                code = page.get_by_role("dialog").locator("pre").inner_text()
                assert site.url in code
                assert token not in page.content()
                service.reset()
                printed = run_sample(language, code, tmp_path, variables)
                assert said(printed) == ASKED, (mode, language)
                [request] = service.requests
                assert (request.account, request.model, request.sampling.top_k) == ("team", PLAIN, 7)
            page.keyboard.press("Escape")


def said(printed: str) -> str:
    """The answer's text, whichever form it was printed in: text, JSON, or server-sent events."""
    frames = re.findall(r"^data: (\{.*)$", printed, re.MULTILINE)
    if frames:
        return "".join(json.loads(frame)["response"] for frame in frames)
    if printed.startswith("{"):
        answer = json.loads(printed)
        return str(answer.get("result", answer)["response"])
    return printed.removesuffix("\n")


def test_parameters_chosen_on_the_page_are_in_the_code(visitor: Visitor) -> None:
    page = visitor.open(f"/models/{PLAIN}")
    page.locator("#use").get_by_text("Parameters", exact=True).click()
    page.locator("#use").get_by_label("temperature").fill("0.25")
    page.locator("#use").get_by_label("stream").uncheck()
    for language, text in (
        ("curl", '"temperature": 0.25'),
        ("Worker", f'env.AI.run("{PLAIN}", {{'),
        ("OpenAI for Python", "    temperature=0.25,"),
        ("OpenAI for JavaScript", "new OpenAI({ baseURL:"),
    ):
        code = code_of(page, language)
        assert text in code
        assert "stream" not in code
    page.locator("#use").get_by_label("temperature").fill("9")
    expect(page.locator("#use").get_by_role("alert")).to_have_text("0 to 5. It is not in the code.")
    assert "temperature" not in code_of(page, "curl")


def test_the_language_chosen_is_remembered_and_copied(site: LiveServer, visit: Visit) -> None:
    page = visit(site.url).open(f"/models/{AWQ}", permissions=["clipboard-read", "clipboard-write"])
    code = code_of(page, "Python")
    assert f'"{site.url}/client/v4/accounts/local/ai/run/{AWQ}"' in code
    page.locator("#use").get_by_role("button", name="Copy Python code").click()
    expect(page.get_by_role("status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == code
    page.reload()
    expect(page.get_by_role("tab", name="Python", exact=True)).to_have_attribute("aria-selected", "true")
