"""Every attack on a real server, in small: another account is served all the while, and memory stays bounded.

Times are not looked at here: `python -m bench --part attacks` prints them.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.attacks import ATTACKS
from bench.attacks.harness import Views, attacked_server, memory_mb, observe

from support.live_server import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

SECONDS = 1.5
MAX_MB = 500
APART = {"idle_connections"}
REFUSALS = {"400", "401", "413", "429", "408", "given up", "reset", "open"}
"""What an attack may come to, beside an answer."""

NEVER_ANSWERED = {
    "many_messages",
    "most_messages",
    "many_functions",
    "large_plain_bodies",
    "many_digits",
    "wrong_tokens",
    "trailing_token",
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Views]:
    """One server for all; at the end it is as small as it was."""
    settings = {"FIRESIDE_ECHO_TOKENS_PER_SECOND": "2000", "FIRESIDE_BODY_TIMEOUT": "2"}
    with attacked_server(tmp_path_factory.mktemp("attacked"), settings) as views:
        idle = memory_mb(views.quiet.pid)
        yield views
        wait_until(lambda: memory_mb(views.quiet.pid) < idle + MAX_MB / 2, seconds=30)


@pytest.mark.parametrize("attack", sorted(ATTACKS.keys() - APART))
def test_another_account_is_served_while_one_attacks(attacked: Views, attack: str) -> None:
    seen = observe(attacked, attack, SECONDS, requests=4, settle=False)
    assert set(seen.statuses) == {"200"}
    assert seen.peak < seen.idle + MAX_MB
    allowed = REFUSALS if attack in NEVER_ANSWERED else REFUSALS | {"200"}
    assert set(seen.attack) <= allowed, seen.attack


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit is missing")
def test_more_idle_connections_than_files_leave_the_server_answering(tmp_path: Path) -> None:
    with attacked_server(tmp_path, prefix=["prlimit", "--nofile=1024:1024"]) as views:
        seen = observe(views, "idle_connections", SECONDS, requests=4, settle=False)
        assert set(seen.statuses) == {"200"}
        said = views.log.read_text()
    assert "connections are open, 768 of them from 127.0.0.1: closing idle ones" in said
    assert said.count("connections are open") < 5


def test_refused_tokens_are_in_the_log_with_the_address_but_not_one_by_one(attacked: Views) -> None:
    seen = observe(attacked, "wrong_tokens", SECONDS, requests=4, settle=False)
    assert seen.attack["401"] > 20
    said = attacked.log.read_text()
    assert "Rejected a request from 127.0.0.1: Authentication error" in said
    assert said.count("Rejected a request") < 30
    assert attacked.attacker.token not in said
