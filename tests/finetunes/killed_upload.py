"""Uploads an adapter and kills itself, as `kill -9` does, right before or after a step of the second file.

Arguments: data folder, adapter's folder, base model's folder, step, "before" or "after".
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from finetunes.test_finetunes_service import open_finetunes, spec
from fireside.finetunes import service
from fireside.finetunes.blobs import FolderBlobs
from fireside.store.finetunes import FineTuneTable
from fireside.store.store import Store
from support.adapters import CONFIG, WEIGHTS

PLACES = {
    "reserve": (FineTuneTable, "reserve"),
    "put": (FolderBlobs, "put"),
    "keep": (FineTuneTable, "keep"),
    "fetch": (FolderBlobs, "fetch"),
    "check_pair": (service, "check_pair"),
    "rename": (Path, "rename"),
    "activate": (FineTuneTable, "activate"),
}


def main(data: Path, adapter: Path, tiny: Path, step: str, when: str) -> None:
    model = spec(tiny)
    with Store(data / "fireside.db") as store:
        finetunes = open_finetunes(store, data, model)
        finetunes.upload("a", "x", CONFIG, adapter / CONFIG)
        if step in PLACES:
            owner, name = PLACES[step]
            real = getattr(owner, name)

            def deadly(*args: object, **kwargs: object) -> None:
                if when == "after":
                    real(*args, **kwargs)
                os.kill(os.getpid(), signal.SIGKILL)

            setattr(owner, name, deadly)
        finetunes.upload("a", "x", WEIGHTS, adapter / WEIGHTS)


if __name__ == "__main__":
    data, adapter, tiny = map(Path, sys.argv[1:4])
    main(data, adapter, tiny, *sys.argv[4:])
