"""`python -m bench.attacks NAME SECONDS`: one attack on the server that is described on standard input (JSON).

A process of its own, so that what it costs to attack is not taken for what it costs to answer.
"""

import asyncio
import json
import sys

from bench.attacks import ATTACKS, Target


def main() -> None:
    """Attack; print a line when it begins, and then what came of it as JSON."""
    name, seconds = sys.argv[1:]
    target = Target(**json.load(sys.stdin))
    print("begins", flush=True)
    print(json.dumps(asyncio.run(ATTACKS[name](target, float(seconds)))))


if __name__ == "__main__":
    main()
