"""Names of GGUF files. Of models in parts, llama-gguf-split's: NAME-00001-of-00003.gguf and so on."""

import re
from collections.abc import Iterable

PART = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})\.gguf", re.IGNORECASE)


def first_parts(names: Iterable[str]) -> list[str]:
    """Of file names, those of GGUF models: whole files, and the first part of split ones. Sorted."""
    ggufs = sorted(name for name in names if name.lower().endswith(".gguf"))
    whole = {name: PART.fullmatch(name) for name in ggufs}
    return [name for name, part in whole.items() if part is None or int(part[2]) == 1 or first_of(part) not in whole]


def first_of(part: re.Match[str]) -> str:
    """The name of the first part, by that of any."""
    return f"{part[1]}-00001-of-{part[3]}{part[0][-5:]}"
