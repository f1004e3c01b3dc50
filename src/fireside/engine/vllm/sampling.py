"""From Fireside's sampling parameters to vLLM's, and from vLLM's logprobs to scores."""

from typing import Any

from fireside.engine.sampling.sampler import MIN_TEMPERATURE
from fireside.engine.types import MAX_SCORES, MIN_LOGPROB, GenerationRequest, Scores


def sampling_params(request: GenerationRequest) -> Any:
    """vLLM's `SamplingParams` for a request."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling = request.sampling
    greedy = sampling.temperature < MIN_TEMPERATURE
    params = SamplingParams(
        temperature=0.0 if greedy else 1.0,
        seed=None if greedy else sampling.seed,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        logit_bias=sampling.logit_bias or None,
        allowed_token_ids=sampling.allowed_ids or None,
        min_tokens=min(sampling.min_tokens, request.max_tokens),
        max_tokens=request.max_tokens,
        stop_token_ids=request.stop_ids,
        logprobs=request.scores,
        prompt_logprobs=(request.scores or 0) if request.score_prompt else None,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        skip_clone=True,
    )
    # The wire's own bounds are wider than those that the constructor checks.
    if not greedy:
        params.temperature = sampling.temperature
    params.frequency_penalty = sampling.frequency_penalty
    params.presence_penalty = sampling.presence_penalty
    return params


def token_scores(logprobs: Any, index: int) -> Scores:
    """Scores of one new token, from a `LogprobsLists`: its column 0 is the token's own, the others the best.

    Args:
        index: of the token among those of this step.
    """
    return _scores(logprobs.logprob_token_ids[index].tolist(), logprobs.logprobs[index].tolist())


def prompt_scores(logprobs: Any) -> list[Scores]:
    """Scores of the prompt's tokens except the first, from a `LogprobsTensors`."""
    rows = zip(logprobs.logprob_token_ids.tolist(), logprobs.logprobs.tolist(), strict=True)
    return [_scores(ids, values) for ids, values in rows]


def _scores(ids: list[int], values: list[float]) -> Scores:
    bounded = [max(value, MIN_LOGPROB) for value in values]
    return Scores(bounded[0], list(zip(ids[1:], bounded[1:], strict=True))[:MAX_SCORES])
