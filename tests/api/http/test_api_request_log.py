"""Whatever a request makes the server write into its log has the id that its answer carries."""

from pathlib import Path

import pytest

from fireside.api.http.request_log import RequestOfLine
from support.live_server import live_server


@pytest.mark.parametrize(
    ("prompt", "stream"),
    [("!bug", False), ("!bug", True), ("!later:bug", True)],
    ids=["answer", "stream", "mid-stream"],
)
def test_a_failure_is_logged_with_its_requests_id(
    prompt: str, stream: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = RequestOfLine()
    caplog.handler.addFilter(lines)
    try:
        with live_server(tmp_path) as server:
            answers = [server.run({"prompt": prompt, "stream": stream}) for _ in range(2)]
    finally:
        caplog.handler.removeFilter(lines)
    said = [record.request for record in caplog.records if record.exc_info]  # type: ignore[attr-defined]
    assert said == [f" [{answer.headers['cf-ai-req-id']}]" for answer in answers]
