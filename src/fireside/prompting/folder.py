"""The tokenizer of a model's folder, whatever form it has."""

from pathlib import Path

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.prompting.tokenizer import Tokenizer
from fireside.weights.gguf_names import first_parts


def open_tokenizer(path: Path) -> Tokenizer:
    """Open the tokenizer of a model folder (tokenizer.json, else a single *.gguf) or of a GGUF file. CPU and disk work.

    Raises:
        BadWeights: the file is corrupt, oversized or not there; the message names it.
        UnsupportedWeights: a tokenizer of a kind Fireside does not run.
    """
    if path.suffix == ".gguf" and path.is_file():
        return _from_gguf(path)
    if (path / "tokenizer.json").is_file():
        return Tokenizer.from_file(path / "tokenizer.json")
    gguf = first_parts(entry.name for entry in path.glob("*.gguf"))
    if len(gguf) == 1:
        return _from_gguf(path / gguf[0])
    if gguf:
        raise BadWeights(
            f"{path.name} holds {len(gguf)} GGUF files and no tokenizer.json; leave the one that is meant."
        )
    if (path / "tokenizer.model").is_file():
        raise UnsupportedWeights(
            f"{path.name} has a tokenizer.model only. Fireside reads tokenizer.json: most repositories have both, and "
            "transformers' AutoTokenizer writes one with save_pretrained."
        )
    raise BadWeights(f"{path.name} has no tokenizer: expected tokenizer.json or a GGUF file. Fetch the model again.")


def _from_gguf(path: Path) -> Tokenizer:
    from fireside.weights.gguf import read_gguf  # brings numpy, which other models' prompts do not need

    return Tokenizer.from_gguf(read_gguf(path).metadata, path.name)
