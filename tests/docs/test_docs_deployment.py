"""The configurations of docs/deployment.md, run by the programs that they are for."""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support.documents import examples
from support.echo_service import LORA, EchoService
from support.live_server import LiveServer, check_error, live_server, wait_until

PAGE = "docs/deployment.md"
PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
ENDLESS = {"prompt": "!endless word", "stream": True, "max_tokens": 4000}

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def nginx(folder: Path, upstream: str, port: int) -> list[str]:
    """The command that runs the page's nginx configuration, with its addresses and files replaced."""
    (site,) = examples(PAGE, "nginx")
    for given, mine in (
        ("127.0.0.1:8787", upstream),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/fireside/", f"{folder}/"),
    ):
        assert given in site
        site = site.replace(given, mine)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "site.conf").write_text(site, encoding="utf-8")
    (folder / "nginx.conf").write_text(
        f"{'' if os.geteuid() else 'user root;'} daemon off; worker_processes 1; pid {folder}/pid; events {{}}\n"
        f"http {{ access_log off; {places} include {folder}/site.conf; }}\n",
        encoding="utf-8",
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, upstream: str, port: int) -> list[str]:
    """The same for Caddy, which is given a certificate rather than fetching one."""
    (site,) = examples(PAGE, "caddyfile")
    for given, mine in (
        ("127.0.0.1:8787", upstream),
        ("fireside.example.com {", f"https://127.0.0.1:{port} {{\n    tls {folder}/certificate.pem {folder}/key.pem"),
    ):
        assert given in site
        site = site.replace(given, mine)
    options = "{\n    admin off\n    auto_https disable_redirects\n    skip_install_trust\n}\n"
    (folder / "Caddyfile").write_text(options + site, encoding="utf-8")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "data", EchoService(delay=0.02)) as running:
        yield running


@pytest.fixture(params=[nginx, caddy], ids=lambda program: program.__name__)
def proxied(request: pytest.FixtureRequest, server: LiveServer, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client that speaks TLS to a proxy in front of the server."""
    command_of: Callable[[Path, str, int], list[str]] = request.param
    if not shutil.which(command_of.__name__, path=PATH):
        pytest.skip(f"needs {command_of.__name__}")
    folder = tmp_path / "proxy"
    folder.mkdir()
    certificate = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=fireside",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    command = command_of(folder, server.url.removeprefix("http://"), port)
    home = {"PATH": PATH, "HOME": str(folder), "XDG_DATA_HOME": str(folder / "share")}
    with (folder / "said").open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said, env=home) as process:
        try:
            wait_until(lambda: accepts(port) or process.poll() is not None, 30)
            assert process.poll() is None, (folder / "said").read_text(encoding="utf-8", errors="replace")
            trust = ssl.create_default_context(cafile=str(certificate))
            with httpx.Client(
                base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=60, trust_env=False
            ) as client:
                yield client
        finally:
            process.terminate()


def authorised(server: LiveServer) -> dict[str, str]:
    token, _ = server.store.create_token("acc", "test")
    return {"Authorization": f"Bearer {token}"}


@needs_openssl
def test_without_a_token_nothing_passes_and_with_one_everything(proxied: httpx.Client, server: LiveServer) -> None:
    body = {"prompt": "hello there"}
    assert "came through a proxy" in check_error(proxied.post(server.run_path(), json=body), 403, 10000)
    headers = authorised(server)
    check_error(proxied.post(server.run_path(), json=body), 401, 10000)
    answer = proxied.post(server.run_path(), json=body, headers=headers)
    assert answer.json()["result"]["response"] == "hello there"
    assert proxied.get("/health").status_code == 200
    assert "Fireside" in proxied.get("/").text


@needs_openssl
def test_frames_pass_one_by_one_and_who_hangs_up_ends_the_generation(proxied: httpx.Client, server: LiveServer) -> None:
    with proxied.stream("POST", server.run_path(), json=ENDLESS, headers=authorised(server)) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines()  # kept: the answer is closed with it
        assert next(lines).startswith("data: ")
        # A buffer of 4 KiB would have taken a hundred of them.
        assert server.service.words < 50
        assert server.service.running == 1
    wait_until(lambda: server.service.cancelled == 1)


@needs_openssl
def test_requests_share_a_connection_to_the_server(proxied: httpx.Client, server: LiveServer) -> None:
    headers = authorised(server)
    used = []
    for _ in range(5):
        assert proxied.post(server.run_path(), json={"prompt": "a"}, headers=headers).status_code == 200
        used.append(set(server.server.server_state.connections))
    assert used == [used[0]] * 5
    assert len(used[0]) == 1


@needs_openssl
def test_bodies_meet_firesides_limits_and_not_the_proxys(proxied: httpx.Client, server: LiveServer) -> None:
    headers = authorised(server)
    large = {"prompt": "hello", "padding": "x" * 3_000_000}
    assert proxied.post(server.run_path(), json=large, headers=headers).status_code == 200
    too_large = {"prompt": "hello", "padding": "x" * 9_000_000}
    check_error(proxied.post(server.run_path(), json=too_large, headers=headers), 413, 3006)
    path = "/client/v4/accounts/acc/ai/finetunes"
    made = proxied.post(path, json={"model": LORA, "name": "large"}, headers=headers).json()["result"]
    # Whatever the file is worth: 20 MB of it reach the server, which says so.
    answer = proxied.post(
        f"{path}/{made['id']}/finetune-assets",
        data={"file_name": "adapter_model.safetensors"},
        files={"file": ("adapter_model.safetensors", b"\0" * 20_000_000)},
        headers=headers,
    )
    check_error(answer, 400, 5112)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_is_one(tmp_path: Path) -> None:
    (unit,) = examples(PAGE, "ini")
    program = tmp_path / "fireside"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    path = tmp_path / "fireside.service"
    path.write_text(unit.replace("/opt/fireside/.venv/bin/fireside", str(program)), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if "fireside.service" in line]
    assert complaints == []
