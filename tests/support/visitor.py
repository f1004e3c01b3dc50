"""Somebody with a browser: opens pages, and notes whatever must never happen on them."""

from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request

DESK = {"width": 1360, "height": 860}
PHONE = {"width": 360, "height": 740}


@dataclass
class Visitor:
    """One test's visits, each in a browser profile of its own.

    Args:
        browser: a running Chromium.
        url: the server's base URL; a request to anywhere else is a fault.
    """

    browser: Browser
    url: str
    contexts: list[BrowserContext] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: str, *, phone: bool = False, dark: bool = False, **options: object) -> Page:
        """A page in a fresh profile."""
        look = {"viewport": PHONE if phone else DESK, "color_scheme": "dark" if dark else "light", "has_touch": phone}
        context = self.browser.new_context(**{**look, **options})  # type: ignore[arg-type]
        context.set_default_timeout(30_000)
        self.contexts.append(context)
        context.on("request", self._note_request)
        page = context.new_page()
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        page.goto(self.url + path)
        return page

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.url + "/", "data:", f"blob:{self.url}/")):
            self.faults.append(f"asked elsewhere: {request.url}")

    def _note_message(self, message: ConsoleMessage) -> None:
        # An answer of 4xx or 5xx is the API's way to say no; the page shows it.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")


class Playground:
    """The playground's page, as its user sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.message = page.get_by_role("textbox", name="Message", exact=True)
        self.send_button = page.get_by_role("button", name="Send", exact=True)
        self.stop_button = page.get_by_role("button", name="Stop", exact=True)
        self.model = page.get_by_label("Model", exact=True)
        self.search = page.get_by_role("searchbox", name="Search conversations")
        page.locator("fs-parameter").first.wait_for(state="attached")

    def say(self, text: str, *, wait: bool = True) -> None:
        """Write and send; wait for the whole answer."""
        self.message.fill(text)
        self.message.press("Enter")
        if wait:
            self.finished()

    def finished(self) -> None:
        self.send_button.wait_for()

    def answer(self, turn: int = -1, lane: int = 0) -> Locator:
        return self.page.locator("fs-turn").nth(turn).locator("fs-answer").nth(lane)

    def text(self, turn: int = -1, lane: int = 0) -> str:
        """What an answer shows, once its Markdown is drawn."""
        shown = self.answer(turn, lane).locator(".answer-text:not([aria-busy=true])")
        shown.wait_for(state="attached")
        return shown.inner_text()

    def said(self) -> list[str]:
        return self.page.locator(".bubble").all_inner_texts()

    def parameter(self, name: str) -> Locator:
        return self.page.locator("fs-parameter").filter(has=self.page.locator(f"label code:text-is('{name}')"))

    def set_parameter(self, name: str, value: object) -> None:
        self.parameter(name).locator("input[type=number], input[type=text], textarea").fill(str(value))


def databases(page: Page) -> str:
    """All that the page's origin keeps in IndexedDB, as JSON."""
    return str(page.evaluate(_DATABASES))


_DATABASES = """async () => {
    const found = [];
    for (const { name } of await indexedDB.databases()) {
        const database = await new Promise((resolve) => {
            const request = indexedDB.open(name);
            request.onsuccess = () => resolve(request.result);
        });
        for (const table of database.objectStoreNames) {
            found.push(await new Promise((resolve) => {
                const request = database.transaction(table).objectStore(table).getAll();
                request.onsuccess = () => resolve(request.result);
            }));
        }
        database.close();
    }
    return JSON.stringify(found);
}"""
