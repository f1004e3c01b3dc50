"""Frames: what is sent arrives as it was, and no bytes whatever become anything but messages."""

import io
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.engine.echo import EchoOptions
from fireside.engine.error_codec import ErrorData
from fireside.engine.host import Channel
from fireside.engine.messages import (
    HEADER,
    MAX_FRAME,
    AskStats,
    Cancel,
    FromEngine,
    GenerationFailed,
    Load,
    LoadFailed,
    Loading,
    Ready,
    Stats,
    Submit,
    ToEngine,
    Tokens,
    encode_frame,
    frame_length,
    from_engine_decoder,
    to_engine_decoder,
)
from fireside.engine.options import TokenTable
from fireside.engine.types import (
    MAX_SCORES,
    Adapter,
    EngineInfo,
    EngineStats,
    GenerationRequest,
    Sampling,
    Scores,
    Token,
    pack_scores,
    unpack_scores,
)

NUMBERS = st.integers(0, 2**53)
TEXTS = st.text(max_size=20)
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.floats(0, 5),
    top_p=st.floats(0, 2),
    top_k=st.integers(0, 50),
    seed=st.none() | st.integers(0, 9_999_999_999),
    logit_bias=st.dictionaries(NUMBERS, st.floats(-100, 100), max_size=3),
)
REQUESTS = st.builds(
    GenerationRequest,
    prompt_ids=st.lists(st.integers(0, 2**31), max_size=40),
    max_tokens=NUMBERS,
    sampling=SAMPLINGS,
    stop_ids=st.lists(NUMBERS, max_size=3),
    adapter=st.none() | st.builds(Adapter, TEXTS, TEXTS),
    account=TEXTS,
)


def packed(options: EchoOptions) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(options))


OPTIONS = st.builds(
    EchoOptions,
    model_path=TEXTS,
    tokens_per_second=st.floats(0, 1e6),
    tokens=st.none() | st.builds(TokenTable, bytes_of=st.lists(st.binary(max_size=5)), stop_ids=st.lists(NUMBERS)),
)
ERRORS = st.builds(ErrorData, TEXTS, st.dictionaries(TEXTS, TEXTS | NUMBERS | st.booleans() | st.lists(TEXTS)))
TO_ENGINE = st.one_of(
    st.builds(Load, TEXTS, OPTIONS.map(packed)),
    st.builds(Submit, NUMBERS, REQUESTS),
    st.builds(Cancel, NUMBERS),
    st.just(AskStats()),
)
SCORES = st.builds(Scores, st.floats(-9999, 0), st.lists(st.tuples(NUMBERS, st.floats(-9999, 0)), max_size=3))
TOKENS = st.builds(
    Token,
    NUMBERS,
    st.sampled_from([None, "stop", "length"]),
    scores=st.none() | SCORES,
    prompt=st.lists(SCORES, max_size=3).map(pack_scores),
)
INFOS = st.builds(
    EngineInfo, context_length=NUMBERS, max_num_seqs=NUMBERS, load_seconds=st.floats(0, 1e6), warm=st.booleans()
)
FROM_ENGINE = st.one_of(
    st.builds(Loading, TEXTS, NUMBERS, NUMBERS),
    st.builds(Ready, INFOS),
    st.builds(LoadFailed, ERRORS),
    st.builds(Tokens, st.lists(st.tuples(NUMBERS, TOKENS), max_size=20)),
    st.builds(GenerationFailed, NUMBERS, ERRORS),
    st.builds(Stats, st.builds(EngineStats, running=NUMBERS, waiting=NUMBERS)),
)


@given(st.lists(TO_ENGINE, max_size=5))
def test_messages_to_the_engine_arrive_as_they_were(messages: list[ToEngine]) -> None:
    channel = Channel(io.BytesIO(b"".join(map(encode_frame, messages))), io.BytesIO())
    assert [channel.read() for _ in messages] == messages
    assert channel.read() is None


@given(st.lists(FROM_ENGINE, max_size=5))
def test_messages_from_the_engine_arrive_as_they_were(messages: list[FromEngine]) -> None:
    sink = io.BytesIO()
    channel = Channel(io.BytesIO(), sink)
    for message in messages:
        channel.write(message)
    received, stream = [], io.BytesIO(sink.getvalue())
    while header := stream.read(HEADER.size):
        received.append(from_engine_decoder.decode(stream.read(frame_length(header))))
    assert received == messages


@given(st.binary(max_size=200))
def test_no_bytes_become_anything_else(junk: bytes) -> None:
    for decoder, kinds in ((to_engine_decoder, get_args(ToEngine)), (from_engine_decoder, get_args(FromEngine))):
        try:
            message = decoder.decode(junk)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        assert isinstance(message, kinds)


@given(TO_ENGINE, st.data())
def test_damaged_frames_are_messages_or_refused(message: ToEngine, data: st.DataObject) -> None:
    frame = bytearray(encode_frame(message))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = Channel(io.BytesIO(bytes(frame)), io.BytesIO()).read()
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return
    assert isinstance(read, get_args(ToEngine))


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_frame_that_is_cut_is_no_message(cut: int) -> None:
    frame = encode_frame(Cancel(300))
    with pytest.raises(msgspec.DecodeError):
        Channel(io.BytesIO(frame[:-cut]), io.BytesIO()).read()
    assert Channel(io.BytesIO(frame[: HEADER.size - 1]), io.BytesIO()).read() is None


@pytest.mark.parametrize("length", [MAX_FRAME + 1, 0xFFFFFFFF])
def test_a_length_that_no_honest_peer_sends_is_refused_before_memory_is_taken(length: int) -> None:
    with pytest.raises(ValueError, match="exceeds"):
        Channel(io.BytesIO(HEADER.pack(length) + b"x"), io.BytesIO()).read()
    assert frame_length(HEADER.pack(MAX_FRAME)) == MAX_FRAME


def test_the_longest_prompt_fits_into_a_frame() -> None:
    request = GenerationRequest(prompt_ids=[2**31 - 1] * 1_048_576, max_tokens=1)
    assert len(encode_frame(Submit(1, request))) < MAX_FRAME


def test_a_token_that_is_not_scored_costs_nothing() -> None:
    assert msgspec.msgpack.encode(Token(7)) == msgspec.msgpack.encode({"id": 7})


@given(st.lists(SCORES, max_size=5))
def test_packed_scores_arrive_as_they_were(scores: list[Scores]) -> None:
    assert unpack_scores(pack_scores(scores)) == scores
    assert unpack_scores(b"") == []


def test_the_longest_prompts_scores_fit_into_a_frame() -> None:
    scores = Scores(-1.5, [(2**31 - 1, -1.5)] * MAX_SCORES)
    [size] = {len(encode_frame(Tokens([(1, Token(1, prompt=pack_scores([scores] * 1000)))])))}
    assert size * 131 < MAX_FRAME


@given(OPTIONS)
def test_an_engine_is_told_its_own_options(options: EchoOptions) -> None:
    load = Channel(io.BytesIO(encode_frame(Load("echo", packed(options)))), io.BytesIO()).read()
    assert isinstance(load, Load)
    assert msgspec.msgpack.decode(load.options, type=EchoOptions) == options


def test_messages_of_one_direction_are_none_of_the_other() -> None:
    with pytest.raises(msgspec.ValidationError):
        to_engine_decoder.decode(encode_frame(Loading("x", 0, 1))[HEADER.size :])
    with pytest.raises(msgspec.ValidationError):
        from_engine_decoder.decode(encode_frame(Cancel(1))[HEADER.size :])
