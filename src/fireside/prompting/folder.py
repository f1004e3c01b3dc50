"""The tokenizer of a model's folder, whatever form it has."""

from pathlib import Path

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.prompting.tokenizer import Tokenizer
from fireside.weights.gguf_names import gguf_in


def open_tokenizer(path: Path) -> Tokenizer:
    """Open the tokenizer of a model folder (tokenizer.json, else a single *.gguf) or of a GGUF file. CPU and disk work.

    Raises:
        BadWeights: the file is corrupt, oversized or not there; the message names it.
        UnsupportedWeights: a tokenizer of a kind Fireside does not run, or several GGUF files.
    """
    if (path / "tokenizer.json").is_file():
        return Tokenizer.from_file(path / "tokenizer.json")
    if gguf := gguf_in(path):
        return _from_gguf(gguf)
    if (path / "tokenizer.model").is_file():
        raise UnsupportedWeights(
            f"{path.name} has a tokenizer.model only. Fireside reads tokenizer.json: most repositories have both, and "
            "transformers' AutoTokenizer writes one with save_pretrained."
        )
    raise BadWeights(f"{path.name} has no tokenizer: expected tokenizer.json or a GGUF file. Fetch the model again.")


def _from_gguf(path: Path) -> Tokenizer:
    from fireside.weights.gguf import read_gguf  # brings numpy, which other models' prompts do not need

    return Tokenizer.from_gguf(read_gguf(path).metadata, path.name)
