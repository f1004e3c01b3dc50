"""The typed messages between the server and an engine process, and their framing.

A frame is a little-endian uint32 length and that many bytes of msgpack. No pickle: whatever the bytes, decoding makes
only these types. Sources of the lesson: CVE-2025-32444 and its family.
"""

import struct
from typing import Literal

import msgspec

from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token

HEADER = struct.Struct("<I")
MAX_FRAME = 64 * 1024 * 1024

MAX_STEPS_AHEAD = 2
"""Steps whose tokens may be on their way: what is made faster than it can be sent only delays what comes after it."""

EngineKind = Literal["onnx", "echo"]
WeightsMode = Literal["auto", "int8", "int4", "f32"]


class TokenTable(msgspec.Struct, frozen=True, kw_only=True):
    """What the tokens stand for, which an engine needs only to hold answers to a grammar.

    Args:
        bytes_of: by token id; empty for control tokens, which are part of no grammar.
        stop_ids: the tokens that end an answer.
    """

    bytes_of: list[bytes]
    stop_ids: list[int]


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All an engine process needs to know.

    Args:
        kind: which engine to run.
        model_path: folder or file of the weights ("" for echo).
        cache_dir: where repacked weights are kept ("" for nowhere).
        context_length: most tokens of prompt and answer together; the checkpoint's own length if that is less.
        max_num_seqs: most requests that generate at the same time.
        threads: arithmetic threads; 0 is one per core.
        kv_memory: most bytes of KV cache; 0 is a quarter of the machine's memory.
        weights: how f32/f16/bf16 weights are held.
        exact: float32 arithmetic in quantised matmuls instead of int8 (slow; for comparing with other software).
        adapter_memory: most bytes of LoRA adapters; 0 is a model without them.
        tokens_per_second: speed of the echo engine, per request; 0 is unlimited.
        tokens: see `TokenTable`; without it, requests with a grammar fail.
    """

    kind: EngineKind
    model_path: str = ""
    cache_dir: str = ""
    context_length: int = 4096
    max_num_seqs: int = 16
    threads: int = 0
    kv_memory: int = 0
    weights: WeightsMode = "auto"
    exact: bool = False
    adapter_memory: int = 0
    tokens_per_second: float = 0.0
    tokens: TokenTable | None = None


class Load(msgspec.Struct, frozen=True, tag=True):
    """First message of all: what to load."""

    options: EngineOptions


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Start a generation. The server chooses its `request_id`."""

    request_id: int
    request: GenerationRequest


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stop a generation; unknown ids are ignored, since its last token may be on the way."""

    request_id: int


class AskStats(msgspec.Struct, frozen=True, tag=True):
    """Ask for one `Stats` answer."""


class Taken(msgspec.Struct, frozen=True, tag=True):
    """One `Tokens` message has been handed on. The engine is never more than `MAX_STEPS_AHEAD` of them ahead."""


ToEngine = Load | Submit | Cancel | AskStats | Taken


class Loading(msgspec.Struct, frozen=True, tag=True):
    """Progress of loading."""

    phase: str
    done: int
    total: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The model is loaded."""

    info: EngineInfo


class LoadFailed(msgspec.Struct, frozen=True, tag=True):
    """The model cannot be loaded; `error` is the name of a ModelError or EngineError leaf."""

    error: str
    message: str


class Tokens(msgspec.Struct, frozen=True, tag=True):
    """What one step made: pairs of request_id and token."""

    items: list[tuple[int, Token]]


class GenerationFailed(msgspec.Struct, frozen=True, tag=True):
    """One generation failed; the engine goes on. `error` is the name of a leaf of `fireside.errors`."""

    request_id: int
    message: str
    error: str = "EngineFailed"


class Stats(msgspec.Struct, frozen=True, tag=True):
    """Answer to `AskStats`."""

    stats: EngineStats


FromEngine = Loading | Ready | LoadFailed | Tokens | GenerationFailed | Stats

_encoder = msgspec.msgpack.Encoder()
to_engine_decoder: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
from_engine_decoder: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def encode_frame(message: ToEngine | FromEngine) -> bytes:
    """One frame, header included."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body


def frame_length(header: bytes) -> int:
    """Length of the body that follows this header. Raises ValueError for a length no honest peer sends."""
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME:
        raise ValueError(f"frame of {length} bytes exceeds {MAX_FRAME}")
    return int(length)
