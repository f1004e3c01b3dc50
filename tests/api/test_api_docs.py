"""The documentation page: its files are here, and it may load nothing from elsewhere."""

import re

import pytest

from fireside.api import docs
from support.live_server import LiveServer


@pytest.mark.parametrize("path", sorted(docs.PATHS))
def test_its_files_are_served(shared_server: LiveServer, path: str) -> None:
    response = shared_server.client.get(path)
    assert response.status_code == 200
    assert len(response.content) > 100
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; ")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_it_names_only_its_own_files(shared_server: LiveServer) -> None:
    page = shared_server.client.get(docs.DOCS_PATH).text
    named = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert named == {*docs.PATHS - {docs.DOCS_PATH}, "/openapi.json", "data:,"}
    style = shared_server.client.get("/docs/swagger-ui.css").text
    assert {place.split(":")[0] for place in re.findall(r"url\(['\"]?([^)]{1,8})", style)} <= {"data"}
