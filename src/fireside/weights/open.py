"""Finds out what a path holds and opens it."""

from pathlib import Path

from fireside.errors import ModelNotDownloaded, UnsupportedWeights
from fireside.weights.checkpoint import Checkpoint
from fireside.weights.gguf_checkpoint import GgufCheckpoint
from fireside.weights.gguf_names import gguf_in
from fireside.weights.safetensors_folder import SafetensorsCheckpoint

_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a model: a folder with config.json and safetensors files, a folder with one GGUF file, or a GGUF file.

    Of a GGUF file in parts, name the first.

    Headers are read and checked against the config; tensors are read when asked for.

    Raises ModelNotDownloaded when there are no weights, UnsupportedWeights when there are, in a form that Fireside does
    not run, and BadWeights when they are corrupt.
    """
    if not path.exists():
        raise ModelNotDownloaded(f"{path.name}: no such file or folder.")
    if path.is_file() and (gguf := gguf_in(path)):
        return GgufCheckpoint(gguf)
    names = sorted(entry.name for entry in path.iterdir())
    if any(name.endswith((".safetensors", ".safetensors.index.json")) for name in names):
        return SafetensorsCheckpoint(path)
    if gguf := gguf_in(path):
        return GgufCheckpoint(gguf)
    if pickles := [name for name in names if name.lower().endswith(_PICKLES)]:
        raise UnsupportedWeights(
            f"{path.name}: holds {pickles[0]}, and such files can run code when loaded. "
            "Fireside reads safetensors and GGUF only."
        )
    raise ModelNotDownloaded(f"{path.name}: holds neither safetensors nor GGUF files.")
