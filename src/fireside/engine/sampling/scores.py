"""How likely the model found its tokens: logprobs, from the logits as the model made them."""

import numpy as np

from fireside.engine.sampling.truncations import Logits, best_ids
from fireside.engine.types import MIN_LOGPROB, Scores


def scores(logits: Logits, token: int, count: int) -> Scores:
    """A token's logprob and the `count` most likely tokens, from logits float32 [vocab]."""
    shift = float(logits.max())
    shift += float(np.log(np.exp(logits - shift).sum(dtype=np.float64)))
    best = best_ids(logits, count).tolist() if count else []
    return Scores(_logprob(logits, token, shift), [(one, _logprob(logits, one, shift)) for one in best])


def _logprob(logits: Logits, token: int, shift: float) -> float:
    return max(float(logits[token]) - shift, MIN_LOGPROB)
