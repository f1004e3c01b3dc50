"""What crosses the engine's boundary: requests in, tokens out. Token ids only, no text, no tensors."""

from typing import Literal

import msgspec

FinishReason = Literal["stop", "length"]


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen from the logits.

    `temperature` 0 is greedy. `top_k` 0, `top_p` 1, `min_p` 0 and `typical_p` 1 are off; `min_p` keeps the tokens
    that are at least that part as likely as the likeliest one. `repetition_penalty` is CTRL's (1 is none; prompt
    and answer count), `frequency_penalty` and `presence_penalty` are OpenAI's (0 is none; only the answer counts).
    `logit_bias` is added to the logits of single tokens, by id; with `allowed_ids`, no others are chosen; nothing
    ends the answer before it has `min_tokens`, but a grammar that allows no more. With a `seed` the answer is the
    same each time, whatever else runs in the batch; without, it is drawn again.
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
"""Likeliest tokens that are told at most, as in OpenAI's API."""

MIN_LOGPROB = -9999.0
"""Stands for what JSON cannot write, minus infinity, as in OpenAI's API."""


class Adapter(msgspec.Struct, frozen=True):
    """A LoRA adapter that was checked when it was uploaded.

    Args:
        id: server-made; changes with the files, so that equal ids mean equal weights.
        folder: has adapter_config.json and adapter_model.safetensors, which nobody changes while the id is in use.
    """

    id: str
    folder: str


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One generation.

    Args:
        prompt_ids: the prompt's token ids, at least one.
        max_tokens: at most this many tokens are generated, at least 1.
        sampling: see `Sampling`.
        stop_ids: tokens that end the answer (end of sequence, end of turn).
        adapter: a LoRA adapter, or None for the base model.
        account: whose request it is.
        cache_salt: only requests of one account and one salt share cached prefixes, so that timing tells nobody what
            others asked (CVE-2025-46570).
        grammar: the answer fits this grammar (llguidance's dialect of Lark), or the generation fails with BadGrammar
            (the grammar cannot be used) or ConstraintNotMet (max_tokens came first). None: anything goes.
        keep_cut: an answer that max_tokens cuts before it fits its grammar is not a failure, but ends with "length".
        scores: tell how likely each token of the answer was, and so many of the likeliest; None: nothing.
        score_prompt: tell the same of the prompt's tokens; nothing of the prompt is then reused.
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

    They are those of the model itself: log-softmax of the logits, before penalties, temperature or a grammar.

    Args:
        logprob: the token's own.
        best: ids and logprobs of the likeliest, best first; the token may be among them.
    """

    logprob: float
    best: list[tuple[int, float]] = []


_prompt_scores = msgspec.msgpack.Decoder(list[Scores])


def pack_scores(scores: list[Scores]) -> bytes:
    """The scores of a prompt, which may be many, as one value for whoever hands them on."""
    return msgspec.msgpack.encode(scores)


def unpack_scores(packed: bytes) -> list[Scores]:
    """What `pack_scores` packed; empty for nothing."""
    return _prompt_scores.decode(packed) if packed else []


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """One generated token. The last one of a request has `finish_reason`.

    A stop token (end of sequence) ends the answer and is not part of its text: then `id` is that stop token and
    `finish_reason` is "stop". With "length" the `id` is text like any other.

    Args:
        reused: of an answer's first token: how many of the prompt's tokens were not computed again.
        scores: where they were asked for; a stop token that no model chose has none.
        prompt: of an answer's first token: the packed scores of the prompt's tokens but the first, where asked for.
    """

    id: int
    finish_reason: FinishReason | None = None
    reused: int = 0
    scores: Scores | None = None
    prompt: bytes = b""


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded engine can do.

    Args:
        context_length: most tokens of prompt and answer together.
        max_num_seqs: most requests that generate at the same time.
        vocab_size: ids that the weights have an embedding for begin at 0 and end before this; None: any id will do.
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
        memory: bytes that the engine's process holds in memory now; 0 where the system does not tell.
    """

    running: int = 0
    waiting: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0
    decode_steps: int = 0
    memory: int = 0
