"""Opens a model folder's tokenizer, whatever its format."""

from pathlib import Path

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.prompting.tokenizer import Tokenizer
from fireside.weights.gguf_names import gguf_in


def open_tokenizer(path: Path) -> Tokenizer:
    """Open the tokenizer of a model folder (tokenizer.json, else a single *.gguf) or of a GGUF file.

    This takes CPU time and reads files.

    Raises:
        BadWeights: the file is corrupt, oversized or missing; the message names it.
        UnsupportedWeights: the tokenizer is of a kind that Fireside does not run, or there are several GGUF files.
    """
    if (path / "tokenizer.json").is_file():
        return Tokenizer.from_file(path / "tokenizer.json")
    if gguf := gguf_in(path):
        return _from_gguf(gguf)
    if (path / "tokenizer.model").is_file():
        raise UnsupportedWeights(
            f"{path.name} has only a tokenizer.model. Fireside reads tokenizer.json: most repositories have both, and "
            "transformers' AutoTokenizer writes one with save_pretrained."
        )
    raise BadWeights(f"{path.name} has no tokenizer: expected tokenizer.json or a GGUF file. Fetch the model again.")


def _from_gguf(path: Path) -> Tokenizer:
    from fireside.weights.gguf import read_gguf  # imports numpy, which other models' prompts do not need

    return Tokenizer.from_gguf(read_gguf(path).metadata, path.name)
