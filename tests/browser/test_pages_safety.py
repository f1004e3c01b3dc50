"""What must never happen: markup from a model, code from elsewhere, a token where it stays."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from support.echo_service import PLAIN
from support.live_server import LiveServer, wait_until
from support.visitor import Playground, Visitor, databases

HOSTILE = {
    "script": "<script>window.hit = 1</script>",
    "image": '<img src="x" onerror="window.hit=1"> ![x](https://evil.example/x.png) <svg/onload=window.hit=1>',
    "link": "[a](javascript:window.hit=1) [b](JaVaScRiPt:window.hit=1) [c](data:text/html,<script>hit=1</script>)",
    "quoted link": "[a](<javascript&colon;window.hit=1>) <javascript:window.hit=1> [b][1]\n\n[1]: vbscript:x",
    "frame": "<iframe srcdoc='<script>parent.hit=1</script>'></iframe><object data=x></object><base href=//evil.io>",
    "style": "<style>*{display:none}</style><p style='position:fixed;inset:0'>x</p><form action=//evil.example>",
    "mutation": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=hit=1&gt;">',
    "template": '<template><script>hit=1</script></template><noscript><p title="</noscript><img src=x onerror=hit=1>">',
    "clobbering": '<a id="location"></a><form id="document"><input name="body"></form>',
}


def begun(visitor: Visitor) -> Playground:
    view = Playground(visitor.open(f"/playground?model={PLAIN}"))
    # Without tokens a service counts words; the whole text must come back.
    view.set_parameter("max_tokens", 2000)
    return view


def answered(visitor: Visitor, text: str) -> Playground:
    view = begun(visitor)
    view.say(text)
    expect(view.answer().locator(".answer-text:not(.plain)")).to_have_count(1)
    return view


ALLOWED = {"dir", "href", "rel", "target", "class", "tabindex", "role", "aria-label", "type", "label"}


def test_hostile_output_does_nothing(visitor: Visitor) -> None:
    view = begun(visitor)
    page = view.page
    for name, text in HOSTILE.items():
        view.say(text)
        found = view.answer().locator(".answer-text:not(.plain)")
        expect(found).to_have_count(1)
        elements = found.locator("script, img, svg, iframe, object, base, style, form, input, template, math, noscript")
        assert elements.count() == 0, name
        attributes = found.evaluate(
            "e => [...e.querySelectorAll('*')].flatMap(c => [...c.attributes].map(a => a.name))"
        )
        assert set(attributes) <= ALLOWED, name
        for link in found.locator("a").all():
            assert re.match(r"^https?://|^$", link.get_attribute("href") or ""), name
            if not link.get_attribute("href"):
                link.click()
        assert page.evaluate("window.hit") is None, name
        assert page.evaluate("document.baseURI").startswith(visitor.url), name
        assert view.message.is_visible(), name


def test_html_is_shown_as_it_was_written(visitor: Visitor) -> None:
    view = answered(visitor, "before <b>not bold</b> **bold** <script>x</script>")
    assert view.text() == "before <b>not bold</b> bold <script>x</script>"
    assert view.answer().locator("strong").all_inner_texts() == ["bold"]


def test_links_lead_out_safely(visitor: Visitor) -> None:
    view = answered(visitor, "[there](https://example.com/a?b=1) and http://example.org")
    links = view.answer().locator(".answer-text a")
    expect(links).to_have_count(2)
    for link in links.all():
        assert link.get_attribute("rel") == "noopener noreferrer nofollow"
        assert link.get_attribute("target") == "_blank"


STRANGE = [
    "x" * 50_000,
    "مرحبا بالعالم — שלום עולם",
    "abc \u202edcba\u202c \u2066xyz",
    "👩‍👩‍👧‍👦🏳️‍🌈 🇩🇪 e\u0301\u0323 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "a\x00b\x01c\x1b[31m\ufffe",
    "[" * 3000,
    "> " * 500 + "deep",
    "|" * 2000,
]
"""A long line, right to left, overrides, emoji, control characters, and much of what Markdown is made of."""


def test_strange_output_stays_in_its_place(visitor: Visitor) -> None:
    view = Playground(visitor.open(f"/playground?model={PLAIN}", phone=True))
    for text in STRANGE:
        view.say(text)
        expect(view.answer().locator(".answer-text")).not_to_be_empty()
        assert view.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), text[:20]
        chat = view.page.locator("fs-chat")
        assert chat.evaluate("e => e.scrollWidth <= e.clientWidth"), text[:20]
        expect(view.send_button).to_be_visible()
        view.page.keyboard.press("Control+Shift+O")


def test_plain_text_is_exact(visitor: Visitor) -> None:
    view = answered(visitor, "# not a *heading*\n\n1) `x`")
    view.page.get_by_label("Answers as Markdown").uncheck()
    expect(view.answer().locator(".answer-text.plain")).to_have_text("# not a *heading*\n\n1) `x`", use_inner_text=True)


FORBIDDEN = {
    "inline script": "const s = document.createElement('script'); s.append('window.hit = 1'); document.body.append(s)",
    "inline handler": "document.body.setAttribute('onclick', 'window.hit = 1'); document.body.click()",
    "markup": "document.body.innerHTML = '<p>x</p>'",
    "text as code": "setTimeout('window.hit = 1', 0)",
    "worker from elsewhere": "new Worker('https://example.com/worker.js')",
    "worker of text": "new Worker(URL.createObjectURL(new Blob(['1'])))",
    "fetch elsewhere": "await fetch('https://example.com/')",
    "image elsewhere": "const i = new Image(); i.src = 'https://example.com/x.png'; document.body.append(i)",
    "frame": "const f = document.createElement('iframe'); f.src = '/'; document.body.append(f)",
    "inline style": "const s = document.createElement('style'); s.append('* {}'); document.head.append(s)",
    "style attribute": "document.body.setAttribute('style', 'display: none')",
}


def test_the_policy_forbids(visitor: Visitor) -> None:
    # The policy does not bind the debugger's own code, but what that code does to the page.
    watch = """
        const violated = new Promise((resolve) => {
            document.addEventListener("securitypolicyviolation", () => resolve(true));
            setTimeout(() => resolve(false), 5000);
        });
    """
    page = visitor.open("/models/" + PLAIN)
    for name, code in FORBIDDEN.items():
        page.goto(f"{visitor.url}/models/{PLAIN}")
        page.locator("h1").wait_for()
        violated = page.evaluate(f"async () => {{ {watch} try {{ {code} }} catch {{}} return violated; }}")
        assert violated, name
        assert page.evaluate("window.hit") is None, name
        assert page.locator("h1").is_visible(), name
    # The browser's complaints are what was asked for.
    visitor.faults.clear()


def test_pages_cannot_be_framed(site: LiveServer, visit: Callable[[str], Visitor]) -> None:
    visitor = visit("about:blank")
    page = visitor.open("")
    page.set_content(f"<iframe src='{site.url}/playground'></iframe>")
    frame = page.frame_locator("iframe")
    expect(frame.locator("fs-composer")).to_have_count(0)
    visitor.faults.clear()


@pytest.fixture
def locked(site: LiveServer) -> str:
    """The token that the server wants from now on."""
    token, _ = site.store.create_token("team", "test")
    wait_until(site.store.has_tokens)
    return token


def give(page: Page, token: str) -> None:
    page.get_by_label("API token").fill(token)
    page.get_by_role("button", name="Use this token").click()


def kept(page: Page, where: str) -> str:
    return str(page.evaluate(f"JSON.stringify(Object.entries({where}))"))


def test_a_token_is_asked_for_and_kept_for_the_tab_alone(visitor: Visitor, site: LiveServer, locked: str) -> None:
    page = visitor.open("/")
    give(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("does not know this token")
    give(page, locked)
    expect(page.locator("fs-model-card")).to_have_count(3)
    page.get_by_role("link", name="Playground", exact=True).click()
    view = Playground(page)
    view.say("hello")
    assert view.text() == "hello"
    assert site.service.requests[-1].account == "team"
    assert locked in kept(page, "sessionStorage")
    assert locked not in kept(page, "localStorage")
    stored = databases(page)
    assert "hello" in stored
    assert locked not in stored
    assert locked not in page.content()
    assert [url for url in visitor.requests if locked in url] == []
    assert page.context.cookies() == []
    other = page.context.new_page()
    other.goto(f"{visitor.url}/playground")
    expect(other.get_by_label("API token")).to_be_visible()


def test_who_gives_no_token_is_told_and_asked_again_when_they_want(visitor: Visitor, locked: str) -> None:
    page = visitor.open("/")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_contain_text("Authentication error")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Try again").click()
    give(page, locked)
    expect(page.locator("fs-model-card")).to_have_count(3)


def test_a_revoked_token_is_asked_for_again(visitor: Visitor, site: LiveServer, locked: str) -> None:
    page = visitor.open("/playground")
    give(page, locked)
    view = Playground(page)
    view.say("one")
    site.store.revoke_token(site.store.list_tokens()[0].token_id)
    fresh, _ = site.store.create_token("team", "fresh")
    wait_until(lambda: site.client.get("/api/models", headers={"authorization": f"Bearer {locked}"}).status_code == 401)
    view.say("two", wait=False)
    expect(page.get_by_role("dialog")).to_contain_text("not taken any more")
    give(page, fresh)
    expect(view.answer().locator(".answer-text")).to_have_text("two", timeout=30_000)


def test_without_tokens_nobody_is_asked(visitor: Visitor) -> None:
    page = visitor.open("/playground")
    Playground(page).say("hello")
    assert kept(page, "sessionStorage") == "[]"
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_without_a_database_it_works_until_it_is_closed(visitor: Visitor) -> None:
    page = visitor.open("/")
    page.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    page.goto(f"{visitor.url}/playground")
    view = Playground(page)
    expect(page.locator(".toast")).to_contain_text("conversations are lost")
    view.say("hello")
    assert view.text() == "hello"
