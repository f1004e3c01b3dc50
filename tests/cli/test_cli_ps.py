"""`fireside ps` and `stop`, beside real servers."""

import json
import signal
import subprocess
from pathlib import Path

import httpx

from fireside.running import running_servers
from support.command import run_command
from support.serving import serving

ECHO = "@hf/fireside/echo"


def commands(data_dir: Path, *arguments: str) -> tuple[int, str, str]:
    done = run_command(*arguments, data_dir=data_dir)
    return done.returncode, done.stdout, done.stderr


def load(url: str) -> None:
    answer = httpx.post(f"{url}/client/v4/accounts/x/ai/run/{ECHO}", json={"prompt": "hi"}, timeout=60, trust_env=False)
    assert answer.status_code == 200


def test_nothing_runs(tmp_path: Path) -> None:
    assert commands(tmp_path, "ps") == (0, "", "No server runs on this data folder. Start one: fireside serve\n")
    assert commands(tmp_path, "ps", "--json") == (0, "[]\n", "")
    assert commands(tmp_path, "stop") == (1, "", "Error: No server runs on this data folder.\n")


def test_what_runs_and_how_it_is_unloaded_and_ended(tmp_path: Path) -> None:
    with serving(tmp_path, "echo") as url:
        load(url)
        code, table, errors = commands(tmp_path, "ps")
        assert (code, errors) == (0, "")
        header, server, model = table.splitlines()
        assert header.split() == ["SERVER", "PID", "UP", "MODEL", "STATE", "MEMORY", "RUNNING", "WAITING"]
        assert server.split()[0] == url
        assert model.split()[:2] == [ECHO, "ready"]
        assert model.split()[3:] == ["MB", "0", "0"]
        [state] = json.loads(commands(tmp_path, "ps", "--json")[1])
        assert (state["url"], state["pid"]) == (url, running_servers(tmp_path)[0].pid)
        assert state["models"][0]["stats"]["generated_tokens"] > 0
        assert commands(tmp_path, "stop", "echo")[1] == f"{ECHO} is no longer in the memory of {url}.\n"
        assert commands(tmp_path, "stop", "echo")[1] == f"{ECHO} was not in the memory of {url}.\n"
        assert json.loads(commands(tmp_path, "ps", "--json")[1])[0]["models"] == []
        load(url)
        assert commands(tmp_path, "stop") == (0, f"The server at {url} has ended.\n", "")
        assert commands(tmp_path, "ps", "--json")[1] == "[]\n"
    assert list((tmp_path / "servers").iterdir()) == []


def test_with_tokens_no_token_is_needed_here(tmp_path: Path) -> None:
    assert commands(tmp_path, "token", "create")[0] == 0
    with serving(tmp_path, "echo") as url:
        assert [state["url"] for state in json.loads(commands(tmp_path, "ps", "--json")[1])] == [url]
        assert commands(tmp_path, "stop")[0] == 0


def test_two_servers(tmp_path: Path) -> None:
    with serving(tmp_path, "echo") as one, serving(tmp_path, "echo") as two:
        assert [state["url"] for state in json.loads(commands(tmp_path, "ps", "--json")[1])] == [one, two]
        code, _, errors = commands(tmp_path, "stop")
        assert code == 1
        assert f"2 servers run on this data folder: {one}, {two}. Say which: --url URL" in errors
        assert f"These do: {one}, {two}." in commands(tmp_path, "stop", "--url", "http://127.0.0.1:1")[2]
        assert commands(tmp_path, "stop", "--url", one)[0] == 0
        assert [state["url"] for state in json.loads(commands(tmp_path, "ps", "--json")[1])] == [two]


def test_a_server_that_was_killed_is_not_listed(tmp_path: Path) -> None:
    with serving(tmp_path, "echo"):
        [server] = running_servers(tmp_path)
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(server.pid)], check=True)
        while running_servers(tmp_path):
            pass
        assert commands(tmp_path, "ps", "--json")[1] == "[]\n"
