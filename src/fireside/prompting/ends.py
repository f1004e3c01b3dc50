"""The tokens that end an answer, collected from everything that names one.

The chat format has the token that ends each turn and possibly others. The catalog file may name more, and so may the
model's own files: transformers' config.json, generation_config.json, tokenizer_config.json and special_tokens_map.json,
and GGUF metadata.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fireside.chat.spec import PromptSpec
from fireside.errors import BadWeights, UnsupportedWeights
from fireside.prompting.prompt import format_of
from fireside.prompting.vocabulary import Vocabulary
from fireside.weights.gguf_names import first_parts
from fireside.weights.json_file import read_json_object

_MAX_CONFIG_BYTES = 8 * 1024 * 1024
_ID_FILES = ("config.json", "generation_config.json")
_TEXT_FILES = ("tokenizer_config.json", "special_tokens_map.json")
_GGUF_KEYS = ("eos", "eot", "eom")
"""End of sequence, turn and message; source: llama.cpp, `src/llama-vocab.cpp`."""


def stop_ids(spec: PromptSpec, tokenizer: Vocabulary) -> list[int]:
    """Ids of the tokens that end an answer, without duplicates, the format's own first.

    Raises UnsupportedWeights if the model's files lack a token or the template that the catalog file names.
    """
    named = [tokenizer.special_id(text) for text in spec.stop]
    if None in named:
        raise UnsupportedWeights(
            f"The tokenizer has no token {spec.stop[named.index(None)]!r}, which prompt.stop in the model's catalog "
            "file names."
        )
    own = map(tokenizer.special_id, format_of(spec, tokenizer).ends)
    ids = [*own, *named, *sorted(tokenizer.end_ids)]
    return list(dict.fromkeys(token for token in ids if token is not None))


def ends_of_folder(folder: Path) -> Iterable[int | str]:
    """Ids and texts of the tokens that end a text, according to the folder's files.

    Raises BadWeights, naming the file.
    """
    for name in _ID_FILES:
        if (folder / name).is_file():
            yield from _ids(name, read_json_object(folder / name, _MAX_CONFIG_BYTES).get("eos_token_id"))
    for name in _TEXT_FILES:
        if (folder / name).is_file():
            text = token_text(read_json_object(folder / name, _MAX_CONFIG_BYTES).get("eos_token"))
            if text is not None:
                yield text
    gguf = first_parts(entry.name for entry in folder.glob("*.gguf"))
    if len(gguf) == 1:
        from fireside.weights.gguf import read_gguf  # imports numpy, which other models' prompts do not need

        yield from ends_of_gguf(read_gguf(folder / gguf[0]).metadata)


def ends_of_gguf(metadata: Mapping[str, object]) -> Iterable[int]:
    """Ids of the tokens that end a text, according to a GGUF file's metadata."""
    for key in _GGUF_KEYS:
        token = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if isinstance(token, int):
            yield token


def token_text(token: object) -> str | None:
    """The text of a token in transformers' tokenizer files, which write it as a string or an object; else None."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _ids(name: str, given: object) -> list[int]:
    """The ids in transformers' `eos_token_id`, which is one id, a list or null. Raises BadWeights for anything else."""
    ids: list[Any] = given if isinstance(given, list) else [] if given is None else [given]
    if not all(isinstance(token, int) and not isinstance(token, bool) for token in ids):
        raise BadWeights(f"{name}: eos_token_id is {str(given)[:100]}, not a token id or a list of them.")
    return ids
