"""What is asked and answered is nobody's but the asker's: nothing of it is written down."""

from pathlib import Path

import pytest

from support.live_server import live_server

SECRET = "marzipan-4711"


def test_prompts_and_answers_are_in_no_file_and_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="fireside")
    with live_server(tmp_path / "data") as server:
        token, _ = server.store.create_token("acc", "test")
        server.client.headers["authorization"] = f"Bearer {token}"
        assert server.run({"prompt": SECRET}).json()["result"]["response"] == SECRET
        assert SECRET in server.run({"prompt": SECRET, "stream": True}).text
        assert server.run({"messages": [{"role": "user", "content": SECRET}], "temperature": SECRET}).status_code == 400
        assert server.run({"prompt": f"!bug {SECRET}"}).status_code == 500
        assert server.run({"prompt": f"!later:lost {SECRET}", "stream": True}).status_code == 200
        batch = {"requests": [{"prompt": SECRET}]}
        assert server.client.post(server.run_path() + "?queueRequest=true", json=batch).status_code == 200
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert caplog.text
    assert SECRET not in caplog.text
