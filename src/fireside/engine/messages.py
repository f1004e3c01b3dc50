"""The typed messages between the server and an engine process, and their framing.

A frame is a little-endian uint32 length and that many bytes of msgpack. There is no pickle: whatever the bytes, they
decode only to these types. (The reason: CVE-2025-32444 and similar ones.)
"""

import struct

import msgspec

from fireside.engine.error_codec import ErrorData
from fireside.engine.types import EngineInfo, EngineStats, GenerationRequest, Token

HEADER = struct.Struct("<I")
MAX_FRAME = 64 * 1024 * 1024

MAX_STEPS_AHEAD = 2
"""Maximum number of steps whose tokens are in transit: generating faster than sending only delays later messages."""


class Load(msgspec.Struct, frozen=True, tag=True):
    """The first message: which engine to load.

    Args:
        kind: the engine's kind.
        options: the engine's options as msgpack: only the engine knows their type.
    """

    kind: str
    options: msgspec.Raw


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Start a generation. The server chooses its `request_id`."""

    request_id: int
    request: GenerationRequest


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Stop a generation. Unknown ids are ignored, because its last token may already be in transit."""

    request_id: int


class AskStats(msgspec.Struct, frozen=True, tag=True):
    """Ask for one `Stats` answer."""


class Taken(msgspec.Struct, frozen=True, tag=True):
    """One `Tokens` message was consumed. The engine is never more than `MAX_STEPS_AHEAD` of them ahead."""


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
    """The model cannot be loaded."""

    error: ErrorData


class Tokens(msgspec.Struct, frozen=True, tag=True):
    """The tokens of one step, as pairs of request_id and token."""

    items: list[tuple[int, Token]]


class GenerationFailed(msgspec.Struct, frozen=True, tag=True):
    """One generation failed; the engine keeps running."""

    request_id: int
    error: ErrorData


class Stats(msgspec.Struct, frozen=True, tag=True):
    """The answer to `AskStats`."""

    stats: EngineStats


FromEngine = Loading | Ready | LoadFailed | Tokens | GenerationFailed | Stats

_encoder = msgspec.msgpack.Encoder()
to_engine_decoder: msgspec.msgpack.Decoder[ToEngine] = msgspec.msgpack.Decoder(ToEngine)
from_engine_decoder: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def encode_frame(message: ToEngine | FromEngine) -> bytes:
    """A message as one frame, header included."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body


def frame_length(header: bytes) -> int:
    """Length in bytes of the body that follows this header. Raises ValueError if it exceeds MAX_FRAME."""
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME:
        raise ValueError(f"frame of {length} bytes exceeds {MAX_FRAME}")
    return int(length)
