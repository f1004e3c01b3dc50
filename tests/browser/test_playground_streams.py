"""Server-sent events as the pages read them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fireside.web.assets import load_assets
from support.echo_service import PLAIN, EchoService
from support.live_server import live_server
from support.visitor import Playground, Visitor

EVENTS = (
    'data: {"response":"é😀"}\n\n: keep-alive\n\ndata:second\n\nevent: x\nid: 1\ndata: a\ndata: b\n\ndata: [DONE]\n\n'
)
WANTED = ['{"response":"é😀"}', "second", "a\nb", "[DONE]"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_wherever_the_network_cuts(visitor: Visitor, line_end: str) -> None:
    page = visitor.open("/playground")
    data = list(EVENTS.replace("\n", line_end).encode())
    found = page.evaluate(
        """async ([module, bytes]) => {
            const { eventData } = await import(module);
            const results = [];
            for (let size = 1; size <= bytes.length; size += size < 8 ? 1 : 29) {
                const stream = new ReadableStream({
                    start(controller) {
                        for (let at = 0; at < bytes.length; at += size) {
                            controller.enqueue(new Uint8Array(bytes.slice(at, at + size)));
                        }
                        controller.close();
                    },
                });
                const found = [];
                for await (const data of eventData(stream)) found.push(data);
                results.push(JSON.stringify(found));
            }
            return [...new Set(results)];
        }""",
        [f"/static/{load_assets().version}/js/api/events.js", data],
    )
    # A lone carriage return may be the first half of a line's end: the last event stays open.
    wanted = WANTED if line_end != "\r" else WANTED[:-1]
    assert [json.loads(one) for one in found] == [wanted]


def test_a_long_silence_with_keep_alives(tmp_path: Path, visit: Callable[[str], Visitor]) -> None:
    service = EchoService(prefill=0.5, delay=0.1)
    with live_server(tmp_path, service, keep_alive_seconds=0.05, stream_padding=True) as server:
        visitor = visit(server.url)
        view = Playground(visitor.open(f"/playground?model={PLAIN}"))
        view.say("one two")
        assert view.text() == "one two"
        expect(view.answer().locator(".answer-stats")).to_contain_text("2 tokens")
        visitor.close()


def test_a_server_that_ends_in_the_middle_is_told(tmp_path: Path, visit: Callable[[str], Visitor]) -> None:
    service = EchoService(delay=0.05)
    with live_server(tmp_path, service, drain_seconds=0) as server:
        visitor = visit(server.url)
        view = Playground(visitor.open(f"/playground?model={PLAIN}"))
        view.say("!endless word", wait=False)
        expect(view.answer().locator(".answer-text")).to_contain_text("word")
        server.server.should_exit = True
        view.finished()
        expect(view.answer().get_by_role("alert")).to_be_visible()
        expect(view.answer().locator(".answer-text")).to_contain_text("word")
        visitor.close()
