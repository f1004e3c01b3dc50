"""The workflow for CI elsewhere runs what is promised, and only actions that nobody can change."""

import re

import yaml
from tools.locks import PYTHONS, ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))


def test_every_python_is_tested_and_installed_on() -> None:
    for job in ("test", "install"):
        assert WORKFLOW["jobs"][job]["strategy"]["matrix"]["python"] == ["{}.{}".format(*one) for one in PYTHONS]
    systems = {name.split("-")[0] for name in WORKFLOW["jobs"]["install"]["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}


def test_it_runs_what_the_script_here_runs() -> None:
    assert [step["run"] for step in WORKFLOW["jobs"]["test"]["steps"] if "run" in step] == ["bash .ci/run"]


def test_actions_are_pinned_to_commits_and_may_only_read() -> None:
    used = [step["uses"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action) for action in used)
    assert WORKFLOW["permissions"] == {"contents": "read"}
