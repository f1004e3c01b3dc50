"""Clients' own suites (tests/clients/suites), run by vitest against a server."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.documents import ROOT

SUITES = ROOT / "tests" / "clients" / "suites"
ACCOUNT = "acc"

Ran = dict[str, str]
"""The tests' names, and what came of each: passed, failed, pending (skipped)."""


@dataclass(frozen=True)
class Bench:
    """A folder with the suites beside node_modules."""

    folder: Path

    @property
    def modules(self) -> Path:
        return self.folder / "node_modules"

    def run(self, suite: str, url: str, *, matching: str = "", **variables: str) -> Ran:
        """Run one file of tests against a server.

        Args:
            matching: only those tests whose names match.
            variables: of the environment, for the tests.
        """
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        command = ["node", str(self.modules / "vitest/vitest.mjs"), "run", suite, "--root=.", "--reporter=json"]
        command += [f"--outputFile={report}", *(["-t", matching] if matching else [])]
        told = {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_API_TOKEN": "any", "FIRESIDE": url, **variables}
        done = subprocess.run(
            command,
            cwd=self.folder / "suites",
            env={**_environment(), **told},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert report.exists(), done.stdout + done.stderr
        [file] = json.loads(report.read_bytes())["testResults"]
        ran = {test["fullName"]: test["status"] for test in file["assertionResults"]}
        failures = [test["failureMessages"] for test in file["assertionResults"] if test["failureMessages"]]
        assert done.returncode == 0, (failures, file.get("message"), done.stdout[-3000:], done.stderr[-3000:])
        return ran

    def suite(self, name: str) -> Path:
        return self.folder / "suites" / name


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CLOUDFLARE_", "CF_", "FIRESIDE"))
    }
    return kept | {"CI": "1", "NO_COLOR": "1", "LANGSMITH_TRACING": "false"}


def make_bench(folder: Path, *installed: Path, rename: Mapping[str, str] | None = None) -> Bench:
    """The suites beside packages of several folders, of which the later win.

    Args:
        rename: what has another name in the versions that are installed.
    """
    modules = folder / "node_modules"
    modules.mkdir(parents=True)
    for each in installed:
        for package in (each / "node_modules").iterdir():
            place = modules / package.name
            place.unlink(missing_ok=True)
            place.symlink_to(package)
    shutil.copytree(SUITES, folder / "suites")
    for path in (folder / "suites").rglob("*.ts") if rename else ():
        text = path.read_text(encoding="utf-8")
        for old, new in (rename or {}).items():
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    return Bench(folder)


@contextmanager
def in_miniflare(bench: Bench, main: Path, url: str, *, remote: bool) -> Iterator[str]:
    """A Worker's address; `remote` gives it Cloudflare's own binding."""
    values = {
        "main": str(main),
        "miniflare": str(ROOT / "clients/worker/src/miniflare.js"),
        "modules": str(bench.modules),
        "url": url,
        "account": ACCOUNT,
        "remote": remote,
    }
    command = ["node", str(bench.suite("worker.mjs")), json.dumps(values)]
    with subprocess.Popen(
        command, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line, "miniflare did not start"
            yield line.strip().rstrip("/")
        finally:
            process.communicate(timeout=30)  # closes its standard input, which ends it
