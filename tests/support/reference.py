"""The same weights in transformers, on CPU torch: the oracle for what a checkpoint computes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForCausalLM


class Reference:
    """A dense float32 model with `worth` (see `support.checkpoints.make_tiny_checkpoint`) for weights.

    Args:
        tied: False to give a head that is tied to the embedding the values of its own that `worth` has.
    """

    def __init__(self, folder: Path, worth: Mapping[str, NDArray[np.float32]], *, tied: bool = True) -> None:
        config = AutoConfig.from_pretrained(folder)
        if not tied:
            config.tie_word_embeddings = False
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        config._attn_implementation = "eager"
        self.model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        state = {name: torch.from_numpy(values) for name, values in worth.items()}
        missing, unexpected = self.model.load_state_dict(state, strict=False)
        assert not unexpected
        assert set(missing) <= {"lm_head.weight"}
        self.model.tie_weights()

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits [tokens, vocab] after each token."""
        with torch.inference_mode():
            result: NDArray[np.float32] = self.model(torch.tensor([list(ids)])).logits[0].numpy()
        return result

    def greedy(self, ids: Sequence[int], count: int) -> list[int]:
        """The next `count` tokens, each the likeliest."""
        made: list[int] = []
        for _ in range(count):
            made.append(int(self.logits([*ids, *made])[-1].argmax()))
        return made
