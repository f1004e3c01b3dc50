"""Answers as Markdown: what they look like, and what is too much for a page."""

import random

import pytest
from playwright.sync_api import expect

from support.conversations import bring, conversation, turn, wrapped
from support.echo_service import PLAIN
from support.visitor import Playground, Visitor

SHOWN = r"""
# A heading

Inline $e^{i\pi} + 1 = 0$ and \(a_1\), but it costs $5 or $6 a day; `$x$`.

$$
\int_0^1 x^2 \, dx = \frac{1}{3}
$$

\[ \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} \]

Broken: $\frac{1$ and hostile: $\href{javascript:alert(1)}{x}$ $\class{site-head}{y}$.

```python
def hello():  # why
    return "x" * 42
```

```nolanguage
<b>not bold</b>
```
"""


def test_math_and_code_in_colours(visitor: Visitor) -> None:
    view = Playground(visitor.open(f"/playground?model={PLAIN}"))
    bring(view, wrapped(conversation(turns=[turn("show me", SHOWN)])))
    text = view.answer().locator(".answer-text")
    expect(text.locator("math mfrac")).to_have_count(1)
    expect(text.locator("math mtable")).to_have_count(1)
    expect(text).to_contain_text("but it costs $5 or $6 a day; $x$.")
    assert text.locator("code").filter(has_text="\\frac{1").count() == 1
    assert text.locator("math [href], .site-head").count() == 0
    assert text.locator("pre .hljs-keyword").all_inner_texts() == ["def", "return"]
    assert text.locator("pre .hljs-comment").inner_text() == "# why"
    assert text.locator("pre").last.inner_text().strip() == "<b>not bold</b>"
    assert view.page.locator("link[href*=temml]").count() == 1


BOMBS = {
    "quotes": "> " * 20_000,
    "nested lists": "".join(f"{'  ' * depth}- x\n" for depth in range(600)),
    "brackets": "[" * 60_000,
    "links": "[a](" * 20_000,
    "references": "[x]: y\n" * 5_000 + "[x][" * 10_000,
    "stars": "*a **b " * 20_000,
    "underscores": "_" * 60_000 + "a",
    "backticks": "".join("`" * count + " " for count in range(1, 500)),
    "table": "|a" * 3_000 + "|\n" + "|-" * 3_000 + "|\n" + ("|b" * 3_000 + "|\n") * 20,
    "long line": "x" * 190_000,
    "too long": "**x** " * 40_000,
    "code": "```js\n" + "`${" * 15_000 + "\n```",
    "code of regexes": "```perl\n" + "s/" * 20_000 + "\n```",
    "math": "$" + "{" * 3_900 + "$ " + "$x^{" * 10_000,
    "math macros": r"$\def\a{\a\a}\a$ $\rule{9999em}{9999em}$ $\begin{matrix}" + "&" * 3_000 + r"\end{matrix}$",
    "entities": "&amp;" * 30_000,
    "html": "<a><b>" * 20_000,
    "noise": "".join(random.Random(1).choices("[]()*_`~>#|-$\\\n !<a1", k=60_000)),
}
"""Texts that are slow to parse, deep, or large once parsed."""


def test_what_is_too_much_is_shown_as_it_is(visitor: Visitor) -> None:
    view = Playground(visitor.open(f"/playground?model={PLAIN}"))
    file = wrapped(*(conversation(title=name, turns=[turn(name, text)]) for name, text in BOMBS.items()))
    bring(view, file)
    for name, text in BOMBS.items():
        view.page.locator(f".conversation-title:text-is('{name}')").click()
        expect(view.page.locator(".bubble")).to_have_text(name)
        # The page answers while the worker parses.
        view.message.fill(f"about {name}")
        view.text()
        shown = view.answer().locator(".answer-text")
        assert shown.evaluate("e => e.querySelectorAll('*').length") <= 20_000, name
        if shown.evaluate("e => e.classList.contains('plain')"):
            assert shown.evaluate("(e, text) => e.textContent === text", text), name
        assert view.page.locator("fs-chat").evaluate("e => e.scrollWidth <= e.clientWidth"), name
    expect(view.page.locator(".conversation-title")).to_have_count(len(BOMBS))
    view.say("still **there**")
    expect(view.answer().locator("strong")).to_have_text("there")


@pytest.mark.parametrize(
    "given", ["../../../api/models/x/download?", "@cf/../..", "@hf/a/b/../c", "@hf/a/%2e%2e", "@hf/a"]
)
def test_no_name_leads_to_another_route(visitor: Visitor, given: str) -> None:
    """Not from an import, and not from what a browser kept before names were checked."""
    page = visitor.open("/models/" + PLAIN)
    page.locator("h1").wait_for()
    visitor.requests.clear()
    told = page.evaluate(
        """async (name) => {
            const base = document.querySelector('script[type=module]').src.replace(/js\\/.*/, "js/");
            const client = await import(base + "api/client.js");
            const { run } = await import(base + "api/run.js");
            const { modelPath } = await import(base + "parts/facts.js");
            const { codeRequest } = await import(base + "code/samples.js");
            const tries = [
                () => client.startDownload(name), () => client.stopDownload(name), () => client.preview(name, {}),
                () => run(name, {}, new AbortController().signal).next(),
                async () => codeRequest("local", name, {}, { needsToken: false }),
                () => client.deleteFineTune(".."), () => client.readFineTune("."),
            ];
            const told = [];
            for (const one of tries) told.push(await one().then(() => "done", (error) => error.message));
            return [...told, modelPath(name)];
        }""",
        given,
    )
    assert told[:5] == [f"“{given}” is not the id of a model."] * 5
    assert told[5:] == ["“..” is not a name.", "“.” is not a name.", "/"]
    asked = {url.removeprefix(visitor.url) for url in visitor.requests if "/static/" not in url}
    # What the page itself asks, again and again.
    assert asked <= {"/api/models", f"/api/models/{PLAIN}/preview", "/client/v4/accounts"}
