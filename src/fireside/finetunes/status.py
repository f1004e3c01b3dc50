"""A fine-tune's state, in one word and in words."""

from dataclasses import dataclass
from typing import Literal

from fireside.finetunes.checks import FILE_NAMES
from fireside.store.finetune_records import FineTune


@dataclass(frozen=True, slots=True)
class Status:
    """ "ready" answers requests; "incomplete" lacks a file; "failed" has a file that cannot be used."""

    state: Literal["ready", "incomplete", "failed"]
    message: str


def status_of(finetune: FineTune) -> Status:
    """What its owner needs to know next."""
    if finetune.version is None:
        return Status("failed" if finetune.problem else "incomplete", missing_text(finetune))
    if finetune.problem:
        return Status(
            "ready", f"Ready. The last upload could not be used, and the version before it answers: {finetune.problem}"
        )
    in_use = {file.name: file.sha256 for file in finetune.files}
    changed = [file.name for file in finetune.waiting if in_use.get(file.name) != file.sha256]
    if changed:
        missing = next(name for name in FILE_NAMES if name not in changed)
        return Status(
            "ready",
            f"Ready. A new {changed[0]} waits: upload the {missing} that goes with it (the same one again if it did "
            "not change) within an hour, and the new version answers. Until then the present one does.",
        )
    return Status("ready", 'Ready: name it in a request, as in "lora": "NAME".')


def missing_text(finetune: FineTune) -> str:
    """Why it has no version that answers."""
    waiting = {file.name for file in finetune.waiting}
    missing = [name for name in FILE_NAMES if name not in waiting]
    lines = [finetune.problem] if finetune.problem else []
    if missing:
        lines.append(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: upload "
            f"{'it' if len(missing) == 1 else 'them'}."
        )
    if not lines:
        lines.append("the last upload was interrupted: upload both files again.")
    return " ".join(lines)
