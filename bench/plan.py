"""What the command line asks for."""

from dataclasses import dataclass
from pathlib import Path

from bench.awq_checkpoint import checkpoint_bytes, write_awq
from bench.model import FULL_LAYERS, QUICK_LAYERS, make_once, mistral_7b

SMALL_MODEL = "@hf/huggingfacetb/smollm2-135m-instruct"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for."""

    work: Path
    llama_cpp: Path | None
    parts: tuple[str, ...]
    peers: tuple[str, ...]
    rounds: int
    threads: int
    quick: bool

    @property
    def layers(self) -> int:
        return QUICK_LAYERS if self.quick else FULL_LAYERS

    @property
    def shape(self) -> str:
        return "Mistral-7B's shape" + (f", {self.layers} of its {FULL_LAYERS} layers" if self.quick else "")

    def awq(self, layers: int | None = None) -> Path:
        """The AWQ checkpoint's folder, made when it is not there."""
        config = mistral_7b(layers or self.layers)
        folder = self.work / f"{config.layers}-layers-awq"
        return make_once(folder, checkpoint_bytes(config), lambda path: write_awq(path, config))
