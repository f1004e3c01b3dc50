"""The headers of a GGUF model in one file or in several."""

from pathlib import Path

from fireside.errors import BadWeights
from fireside.weights.gguf import GgufFile, read_gguf
from fireside.weights.gguf_names import PART, all_parts

_MAX_PARTS = 1000


def read_parts(path: Path) -> list[GgufFile]:
    """The headers of a model's files, the one with the metadata first.

    Args:
        path: the file, or the first of its parts.

    Raises BadWeights when a part is missing or unsound.
    """
    first = read_gguf(path)
    count = first.metadata.get("split.count", 0)
    if isinstance(count, list) or not isinstance(count, int):
        raise BadWeights(f"{path.name}: split.count is {str(count)[:100]}, not a whole number.")
    if count <= 1:
        return [first]
    name = PART.fullmatch(path.name)
    if name is None or int(name[3]) != count or count > _MAX_PARTS:
        raise BadWeights(
            f"{path.name}: one of {count} parts, and not named so. Name the files as llama-gguf-split does "
            f"(…-00001-of-{count:05}.gguf), or join them: llama-gguf-split --merge."
        )
    files: list[GgufFile] = []
    for number, part in enumerate(all_parts(path), 1):
        if not part.is_file():
            raise BadWeights(f"{part.name}: this part of {count} is missing. Fetch the model again.")
        file = first if number == 1 else read_gguf(part)
        if file.metadata.get("split.no") != number - 1 or file.metadata.get("split.count") != count:
            raise BadWeights(f"{part.name}: not part {number} of {count}, as its name says. Fetch the model again.")
        files.append(file)
    return files
