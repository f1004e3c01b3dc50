"""The types at the engine's boundary: requests in, tokens out. They contain token ids, no text and no tensors."""

from typing import Literal

import msgspec

FinishReason = Literal["stop", "length"]


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters for choosing the next token from the logits.

    `temperature` 0 is greedy. `top_k` 0, `top_p` 1, `min_p` 0 and `typical_p` 1 are off; `min_p` keeps the tokens that
    are at least that many times as likely as the most likely one. `repetition_penalty` is CTRL's (1 is off; prompt and
    answer count); `frequency_penalty` and `presence_penalty` are OpenAI's (0 is off; only the answer counts).
    `logit_bias` is added to the logits of single tokens, by id. With `allowed_ids`, no other tokens are chosen. The
    answer does not end before it has `min_tokens`, unless its grammar allows no more. With a `seed`, the answer is the
    same every time, whatever else runs in the batch; without one, it is random.
    """

    temperature: float = 0.6
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    min_p: float = 0.0
    typical_p: float = 1.0
    logit_bias: dict[int, float] = {}
    allowed_ids: list[int] = []
    min_tokens: int = 0


MAX_SCORES = 20
"""Maximum number of most likely tokens reported, as in OpenAI's API."""

MIN_LOGPROB = -9999.0
"""Replaces minus infinity, which JSON cannot represent, as in OpenAI's API."""


class Adapter(msgspec.Struct, frozen=True):
    """A LoRA adapter that was checked when it was uploaded.

    Args:
        id: made by the server; it changes with the files, so equal ids mean equal weights.
        folder: contains adapter_config.json and adapter_model.safetensors, which do not change while the id is in use.
    """

    id: str
    folder: str


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One generation.

    Args:
        prompt_ids: the prompt's token ids, at least one.
        max_tokens: maximum number of tokens to generate, at least 1.
        sampling: see `Sampling`.
        stop_ids: tokens that end the answer (end of sequence, end of turn).
        adapter: a LoRA adapter, or None for the base model.
        account: the account that made the request.
        cache_salt: only requests of the same account and salt share cached prefixes, so that timing does not reveal
            what others asked (CVE-2025-46570).
        grammar: the grammar (llguidance's dialect of Lark) that the answer must fit; else the generation fails with
            BadGrammar (the grammar cannot be used) or ConstraintNotMet (max_tokens came first). None: no constraint.
        keep_cut: whether an answer that max_tokens truncates before it fits its grammar ends with "length" instead of
            failing.
        scores: number of most likely tokens to report for each token of the answer, besides its own logprob; None
            reports nothing.
        score_prompt: whether to report the same for the prompt's tokens; no cached prefix is reused then.
    """

    prompt_ids: list[int]
    max_tokens: int
    sampling: Sampling = Sampling()
    stop_ids: list[int] = []
    adapter: Adapter | None = None
    account: str = ""
    cache_salt: str = ""
    grammar: str | None = None
    keep_cut: bool = False
    scores: int | None = None
    score_prompt: bool = False


class Scores(msgspec.Struct, frozen=True, array_like=True):
    """How likely the model found a token: natural logarithms of probabilities.

    They are the model's own: the log-softmax of its logits, before penalties, temperature or a grammar.

    Args:
        logprob: the token's own logprob.
        best: ids and logprobs of the most likely tokens, best first; the token may be among them.
    """

    logprob: float
    best: list[tuple[int, float]] = []


_prompt_scores = msgspec.msgpack.Decoder(list[Scores])


def pack_scores(scores: list[Scores]) -> bytes:
    """Pack the scores of a prompt, of which there may be many, into one value that can be passed on unread."""
    return msgspec.msgpack.encode(scores)


def unpack_scores(packed: bytes) -> list[Scores]:
    """Unpack what `pack_scores` packed; empty bytes give an empty list."""
    return _prompt_scores.decode(packed) if packed else []


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """One generated token. The last one of a request has `finish_reason`.

    A stop token (end of sequence) ends the answer and is not part of its text: then `id` is that stop token and
    `finish_reason` is "stop". With "length", the `id` is part of the text like any other.

    Args:
        reused: on an answer's first token: the number of prompt tokens that were reused instead of computed.
        scores: the token's scores, if requested; a stop token that no model chose has none.
        prompt: on an answer's first token: the packed scores of the prompt's tokens except the first, if requested.
    """

    id: int
    finish_reason: FinishReason | None = None
    reused: int = 0
    scores: Scores | None = None
    prompt: bytes = b""


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a loaded engine.

    Args:
        context_length: maximum tokens of prompt and answer together.
        max_num_seqs: maximum number of requests that generate at the same time.
        vocab_size: the weights have embeddings for the ids from 0 up to, not including, this; None: any id is accepted.
        load_seconds: how long loading took.
        warm: whether the cache of repacked weights was used.
    """

    context_length: int
    max_num_seqs: int
    vocab_size: int | None = None
    load_seconds: float
    warm: bool = False


class EngineStats(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of an engine's work since it started. Counts are tokens or requests.

    Args:
        memory: bytes of the engine's process in memory now; 0 on systems that do not report it.
    """

    running: int = 0
    waiting: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0
    decode_steps: int = 0
    memory: int = 0
