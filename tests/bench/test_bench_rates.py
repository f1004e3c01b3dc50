"""The benchmark's arithmetic, and what it reads out of others' words."""

import random

import pytest
from bench.http_client import Answer, count_tokens, read_response
from bench.http_rounds import counting_prompt, throughput
from bench.peers.llama_cpp import Timing, read_timings
from bench.rates import decode_rate, median, median_ratio, overhead_percent
from bench.report import number, times
from bench.workload import Unavailable


def test_streams_that_run_together_from_the_first_step() -> None:
    stream = [0.0, 0.5, 1.0, 1.5, 2.0]
    assert decode_rate([stream] * 4) == pytest.approx(4 * 4 / 2.0)


def test_one_stream() -> None:
    assert decode_rate([[10.0, 10.25, 10.5]]) == pytest.approx(4.0)


def test_only_the_time_when_all_run_counts() -> None:
    # The first began four steps before the last and ended four steps before it; alone, steps were twice as fast.
    early = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0]
    late = [2.0, 3.0, 4.0, 5.0, 5.5, 6.0]
    assert decode_rate([early, late]) == pytest.approx(2.0)


@pytest.mark.parametrize("seed", range(5))
def test_tokens_of_a_step_may_come_a_moment_apart(seed: int) -> None:
    rng = random.Random(seed)
    streams = [[step + rng.random() * 0.01 for step in range(begin, 30)] for begin in range(16)]
    assert decode_rate(streams) == pytest.approx(16, rel=0.01)


def test_a_stream_that_is_served_every_second_step_only_counts_as_such() -> None:
    assert decode_rate([[0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 4.0]]) == pytest.approx(1.5)


@pytest.mark.parametrize("streams", [[], [[]], [[1.0]], [[0.0, 1.0], [1.0, 2.0]], [[0.0, 1.0], [3.0, 4.0]]])
def test_streams_that_never_ran_together_have_no_rate(streams: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"stream"):
        decode_rate(streams)


def test_median_leaves_out_what_was_not_measured() -> None:
    assert median([3.0, None, 1.0, 2.0]) == 2.0
    assert median([None]) is None


def test_ratios_are_taken_within_rounds() -> None:
    # The machine was three times as slow in round 1: the medians' ratio would be 3, each round's is 2.
    ours = {0: 20.0, 1: 6.0, 2: 22.0}
    theirs = {0: 10.0, 1: 3.0}
    assert median_ratio(ours, theirs) == pytest.approx(2.0)
    assert median_ratio(ours, {7: 1.0}) is None
    assert median_ratio({0: None, 1: 4.0}, {0: 1.0, 1: 2.0}) == pytest.approx(2.0)
    assert median_ratio({0: 4.0}, {0: 0.0}) is None


def test_overhead_is_what_is_lost_of_the_engines_speed() -> None:
    assert overhead_percent({0: 100.0, 1: 50.0}, {0: 97.0, 1: 48.5}) == pytest.approx(3.0)
    assert overhead_percent({0: 100.0}, {0: 101.0}) == pytest.approx(-1.0)
    assert overhead_percent({0: 100.0}, {}) is None


def test_cells_are_short() -> None:
    assert [number(value) for value in (None, 0.01234, 4.5678, 45.678, 456.78, 12345.6)] == [
        "-",
        "0.0123",
        "4.57",
        "45.7",
        "457",
        "12346",
    ]
    assert times(1.266) == "1.27×"
    assert times(None) == "-"


def test_llama_cpps_table_is_read() -> None:
    said = """
llama_batched_bench: n_kv_max = 2048, n_batch = 2048, flash_attn = -1, is_pp_shared = 1

|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |
|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|
|    32 |     24 |    1 |     56 |    0.834 |    38.36 |    5.590 |     4.29 |    6.424 |     8.72 |
|    32 |     24 |   16 |    896 |    0.782 |    40.91 |    8.604 |    44.63 |    9.386 |    44.32 |
"""
    assert read_timings(said.splitlines()) == [Timing(32, 24, 1, 0.834, 5.59), Timing(32, 24, 16, 0.782, 8.604)]


def test_a_chunked_stream_of_fireside() -> None:
    events = b'data: {"response":"a"}\n\ndata: {"response":"","usage":{"completion_tokens":7}}\n\ndata: [DONE]\n\n'
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (events[:5], events[5:60], events[60:]))
    received = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + chunks
    assert read_response(received + b"0\r\n\r\n") == (200, events)
    assert count_tokens(events) == 7
    with pytest.raises(Unavailable, match="broke off"):
        read_response(received)


def test_a_plain_answer_and_none() -> None:
    assert read_response(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy") == (503, b"busy")
    with pytest.raises(Unavailable, match="no HTTP"):
        read_response(b"")


def test_the_last_words_of_llama_cpp() -> None:
    events = b'data: {"content":"x","stop":false}\n\ndata: {"content":"","stop":true,"tokens_predicted":32}\n\n'
    assert count_tokens(events) == 32
    with pytest.raises(Unavailable, match="did not tell"):
        count_tokens(b'data: {"error":{"message":"no"}}\n\n')


def test_throughput_of_answers_that_overlap() -> None:
    answers = [Answer(began=1.0, first=1.5, ended=3.0, tokens=10), Answer(began=1.5, first=2.0, ended=5.0, tokens=30)]
    assert throughput(answers) == pytest.approx(10.0)


def test_prompts_differ_from_their_first_word_on() -> None:
    starts = {counting_prompt(number).split()[0] for number in range(50)}
    assert counting_prompt(9) == "9, 10, 11, 12,"
    assert len(starts) == 50
