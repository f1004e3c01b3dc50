"""What crosses the engine's boundary: requests in, tokens out. Token ids only, no text, no tensors."""

from typing import Literal

import msgspec

FinishReason = Literal["stop", "length"]


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is chosen from the logits.

    `temperature` 0 is greedy. `top_k` 0 and `top_p` 1 are off. `repetition_penalty` is CTRL's (1 is none; prompt and
    answer count), `frequency_penalty` and `presence_penalty` are OpenAI's (0 is none; only the answer counts). With a
    `seed` the answer is the same each time, whatever else runs in the batch; without, it is drawn anew.
    """

    temperature: float = 0.6
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0


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
        tenant: whose request it is; only requests of one tenant share cached prefixes, so that timing tells nobody what
            others asked (CVE-2025-46570).
        grammar: the answer fits this grammar (llguidance's dialect of Lark), or the generation fails with BadGrammar
            (the grammar cannot be used) or FormNotMet (max_tokens came first). None: anything goes.
    """

    prompt_ids: list[int]
    max_tokens: int
    sampling: Sampling = Sampling()
    stop_ids: list[int] = []
    adapter: Adapter | None = None
    tenant: str = ""
    grammar: str | None = None


class Token(msgspec.Struct, frozen=True, omit_defaults=True):
    """One generated token. The last one of a request has `finish_reason`.

    A stop token (end of sequence) ends the answer and is not part of its text: then `id` is that stop token and
    `finish_reason` is "stop". With "length" the `id` is text like any other.

    Args:
        reused: of an answer's first token: how many of the prompt's tokens were not computed anew.
    """

    id: int
    finish_reason: FinishReason | None = None
    reused: int = 0


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a loaded engine can do.

    Args:
        context_length: most tokens of prompt and answer together.
        slots: most requests that generate at the same time.
        load_seconds: how long loading took.
        warm: whether the cache of repacked weights was used.
    """

    context_length: int
    slots: int
    load_seconds: float
    warm: bool = False


class EngineStats(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of an engine's work since it started. Counts are tokens or requests."""

    running: int = 0
    waiting: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0
    decode_steps: int = 0
