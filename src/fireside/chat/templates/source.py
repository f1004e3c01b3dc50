"""Finds a checkpoint's chat template: in a file beside its weights, the tokenizer's config or GGUF metadata."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fireside.errors import BadWeights

MAX_SOURCE = 256 * 1024
"""Characters of a template. One more than this is kept of a longer one, so that it is rejected."""

_FILE = "chat_template.jinja"


@dataclass(frozen=True, slots=True)
class CheckpointTemplate:
    """A template as found, unchecked.

    Args:
        source: Jinja.
        tokens: the vocabulary's special tokens by transformers' names: bos_token, eos_token.
    """

    source: str
    tokens: Mapping[str, str] = field(default_factory=dict)


def template_of_folder(
    folder: Path, config: Mapping[str, object], tokens: Mapping[str, str]
) -> CheckpointTemplate | None:
    """The template of a folder whose tokenizer_config.json is `config`.

    If the config has a list of templates, the one named "default" is used. Raises BadWeights if the template's file
    cannot be read.
    """
    if (folder / _FILE).is_file():
        try:
            with (folder / _FILE).open(encoding="utf-8", errors="replace") as file:
                return CheckpointTemplate(file.read(MAX_SOURCE + 1), tokens)
        except OSError as error:
            raise BadWeights(f"{_FILE} cannot be read: {error.strerror}.") from error
    given = config.get("chat_template")
    if isinstance(given, list):
        named = {one.get("name"): one.get("template") for one in given if isinstance(one, dict)}
        given = named.get("default")
    return CheckpointTemplate(given[: MAX_SOURCE + 1], tokens) if isinstance(given, str) else None


def template_of_gguf(metadata: Mapping[str, object], tokens: Mapping[str, str]) -> CheckpointTemplate | None:
    """The template in a GGUF file's metadata."""
    given = metadata.get("tokenizer.chat_template")
    return CheckpointTemplate(given[: MAX_SOURCE + 1], tokens) if isinstance(given, str) else None
