"""Names of GGUF files. Of models in parts, llama-gguf-split's: NAME-00001-of-00003.gguf and so on."""

import re
from collections.abc import Iterable
from pathlib import Path

from fireside.errors import UnsupportedWeights

PART = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})\.gguf", re.IGNORECASE)


def first_parts(names: Iterable[str]) -> list[str]:
    """Of file names, those of GGUF models: whole files, and the first part of split ones. Sorted."""
    ggufs = sorted(name for name in names if name.lower().endswith(".gguf"))
    whole = {name: PART.fullmatch(name) for name in ggufs}
    return [name for name, part in whole.items() if part is None or int(part[2]) == 1 or first_of(part) not in whole]


def gguf_in(place: Path) -> Path | None:
    """The GGUF file that is meant by its own path, or by that of a folder with no other; None for a folder without one.

    Raises UnsupportedWeights for a file of another kind, for a later part, and for a folder with several.
    """
    if place.is_file():
        if place.suffix.lower() != ".gguf":
            raise UnsupportedWeights(
                f"{place.name}: not a .gguf file. For safetensors, name the folder that holds config.json."
            )
        if (part := PART.fullmatch(place.name)) and int(part[2]) != 1:
            raise UnsupportedWeights(
                f"{place.name}: part {part[2]} of {part[3]}; name the first one, {first_of(part)}."
            )
        return place
    found = first_parts(entry.name for entry in place.iterdir()) if place.is_dir() else []
    if len(found) > 1:
        raise UnsupportedWeights(
            f"{place.name}: holds {len(found)} GGUF files ({', '.join(found)}); name the one to use."
        )
    return place / found[0] if found else None


def first_of(part: re.Match[str]) -> str:
    """The name of the first part, by that of any."""
    return part_name(part, 1)


def part_name(part: re.Match[str], number: int) -> str:
    """The name of one of the parts, by that of any."""
    return f"{part[1]}-{number:05}-of-{part[3]}{part[0][-5:]}"


def all_parts(path: Path) -> list[Path]:
    """The files of a GGUF model, by the name of the file or of any part; whether they exist is not asked."""
    part = PART.fullmatch(path.name)
    if part is None:
        return [path]
    return [path.with_name(part_name(part, number)) for number in range(1, int(part[3]) + 1)]
