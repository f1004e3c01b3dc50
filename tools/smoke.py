"""Install, start the server and ask it something, as a new user does: `python tools/smoke.py` in a fresh clone.

For every system, with nothing but Python's own library: what CI runs where it does not run the tests.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = "@hf/huggingfacetb/smollm2-135m-instruct"
QUESTION = {"prompt": "What is the capital of France?", "temperature": 0}


def ask(base_url: str) -> str:
    """The answer of a server that is ready."""
    with urllib.request.urlopen(f"{base_url}/ready", timeout=30) as ready:  # noqa: S310
        assert ready.status == 200
    url = f"{base_url}/client/v4/accounts/local/ai/run/{MODEL}"
    with urllib.request.urlopen(url, data=json.dumps(QUESTION).encode(), timeout=120) as answer:  # noqa: S310
        return str(json.load(answer)["result"]["response"])


def main() -> int:
    """The exit status."""
    began = time.monotonic()
    folder = ROOT / ".venv"
    if not folder.exists():
        venv.create(folder, with_pip=True)
    commands = folder / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([commands / "python", ROOT / "tools/install.py", "runtime"], check=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        environment = os.environ | {"FIRESIDE_DATA_DIR": data, "PYTHONUTF8": "1"}
        serve = [str(commands / "fireside"), "serve", "--port", "0"]
        with subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, encoding="utf-8") as server:
            assert server.stdout is not None
            try:
                for line in server.stdout:
                    print(line, end="", flush=True)
                    if found := re.search(r"curl \W?(http://[^/]+)/client", line):
                        answer = ask(found[1])
                        break
                else:
                    return 1
            finally:
                server.terminate()
    print(f"\n{answer}\nPython {sys.version.split()[0]} on {sys.platform}: {time.monotonic() - began:.0f} s.")
    return 0 if "Paris" in answer else 1


if __name__ == "__main__":
    sys.exit(main())
