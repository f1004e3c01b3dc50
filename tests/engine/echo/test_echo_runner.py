"""The echo engine does exactly what its documentation says: users' CI builds on it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fireside.engine.echo import EchoOptions
from fireside.engine.echo.runner import EchoRunner
from fireside.engine.options import TokenTable
from fireside.engine.types import EngineStats, GenerationRequest, Sampling, Scores, Token, unpack_scores
from fireside.errors import BadGrammar, ConstraintNotMet
from support.grammars import BYTES, json_grammar, regex_grammar
from support.running import ids, outcomes, run

STOP = 257
TOKENS = TokenTable(bytes_of=[*BYTES.bytes_of, b""], stop_ids=[STOP])


def open_echo(*, max_num_seqs: int = 16, speed: float = 0.0, context: int = 4096) -> EchoRunner:
    return EchoRunner(
        EchoOptions(max_num_seqs=max_num_seqs, context_length=context, tokens_per_second=speed, tokens=TOKENS)
    )


def request(text: str, *, max_tokens: int = 100, grammar: str | None = None, **sampling: Any) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=list(text.encode()),
        max_tokens=max_tokens,
        sampling=Sampling(**sampling),
        stop_ids=[STOP],
        grammar=grammar,
    )


def answer(wanted: GenerationRequest, runner: EchoRunner | None = None) -> tuple[str, str]:
    """Text and reason of the one answer."""
    (tokens,) = run(runner or open_echo(), [wanted])
    assert [token.finish_reason for token in tokens[:-1]] == [None] * (len(tokens) - 1)
    reason = tokens[-1].finish_reason
    said = ids(tokens)[:-1] if reason == "stop" else ids(tokens)
    assert reason == "length" or tokens[-1].id == STOP
    return bytes(said).decode(errors="replace"), str(reason)


@given(st.text(min_size=1, max_size=60), st.integers(1, 80))
def test_it_says_the_prompt_back(text: str, max_tokens: int) -> None:
    count = len(text.encode())
    said, reason = answer(request(text, max_tokens=max_tokens))
    assert said == text.encode()[:max_tokens].decode(errors="replace")
    assert reason == ("stop" if count < max_tokens else "length")


def test_control_tokens_are_left_out() -> None:
    wanted = GenerationRequest(prompt_ids=[256, 104, 105, 257, 1000], max_tokens=9, stop_ids=[STOP])
    assert answer(wanted) == ("hi", "stop")


def test_a_prompt_of_control_tokens_alone_has_an_empty_answer() -> None:
    assert run(open_echo(), [GenerationRequest(prompt_ids=[256], max_tokens=3, stop_ids=[STOP])]) == [
        [Token(STOP, "stop")]
    ]


@pytest.mark.parametrize("setting", [{}, {"temperature": 0.0, "seed": 5}, {"temperature": 5.0}], ids=str)
def test_the_order_stays_without_seed_or_warmth(setting: dict[str, Any]) -> None:
    assert answer(request("one two three four", **setting))[0] == "one two three four"


@given(st.lists(st.text(alphabet="abcü", min_size=1, max_size=4), min_size=1, max_size=9), st.integers(1, 10**10))
def test_a_seed_alone_decides_the_order(words: list[str], seed: int) -> None:
    wanted = request(" ".join(words), seed=seed)
    said, _ = answer(wanted)
    assert sorted(said.split(" ")) == sorted(words)
    others = [request("a b c d", seed=seed + 1), request("x y")]
    assert run(open_echo(), [others[0], wanted, others[1]])[1] == run(open_echo(), [wanted])[0]


def test_seeds_differ_and_mean_the_same_for_ever() -> None:
    text = "one two three four five six"
    assert [answer(request(text, seed=seed))[0] for seed in (1, 2)] == [
        "three four six one five two",
        "three four two five six one",
    ]


def test_only_slots_run_and_the_rest_wait_their_turn() -> None:
    runner = open_echo(max_num_seqs=2)
    for number, text in enumerate(("aaaa", "bb", "cc")):
        runner.submit(number, request(text))
    assert [number for number, _ in runner.step()] == [0, 1]
    assert (runner.stats().running, runner.stats().waiting) == (2, 1)
    made = [[number for number, _ in runner.step()] for _ in range(3)]
    assert made == [[0, 1], [0, 1], [0, 2]]


def test_cancelled_requests_are_gone_at_once() -> None:
    runner = open_echo(max_num_seqs=1)
    for number in range(3):
        runner.submit(number, request("abc"))
    runner.step()
    runner.cancel(0)
    runner.cancel(2)
    runner.cancel(99)
    assert runner.step() == [(1, Token(97))]
    runner.cancel(1)
    assert not runner.busy
    assert runner.stats() == EngineStats(prompt_tokens=9, generated_tokens=2, decode_steps=2)


def test_numbers_add_up() -> None:
    runner = open_echo()
    run(runner, [request("hello"), request("hello", max_tokens=2)])
    stats = runner.stats()
    assert (stats.prompt_tokens, stats.generated_tokens, stats.running, stats.waiting) == (10, 7, 0, 0)


def test_the_speed_is_that_of_each_request() -> None:
    """Two that run side by side take the time of one; one that waited for its slot does not make up for it."""
    began = time.monotonic()
    run(open_echo(speed=100), [request("a" * 10), request("b" * 10)])
    together = time.monotonic() - began
    began = time.monotonic()
    run(open_echo(max_num_seqs=1, speed=100), [request("a" * 10), request("b" * 10)])
    one_by_one = time.monotonic() - began
    # 10 letters and the end at 100 tokens a second; lower bounds only, a busy machine may take longer.
    assert together >= 0.11
    assert one_by_one >= 0.22


def test_a_slow_answer_does_not_keep_the_runner_from_its_inbox() -> None:
    runner = open_echo(speed=0.01)
    runner.submit(0, request("a"))
    assert runner.step() == []
    assert runner.busy
    runner.submit(1, request("b"))
    assert runner.step() == []
    assert runner.stats().running == 2


def test_what_it_says_of_itself() -> None:
    info = open_echo(max_num_seqs=3, context=77).info
    assert (info.max_num_seqs, info.context_length, info.load_seconds) == (3, 77, 0.0)


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 5},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 2},
        "home": {"type": "object"},
        "more": {},
    },
    "required": ["name", "age", "tags", "home"],
}


@pytest.mark.parametrize(
    ("schema", "prompt", "said"),
    [
        (None, "hello", "{}"),
        (None, '{"fits": [1, 2]}', '{"fits": [1, 2]}'),
        (PERSON, "Bo", '{"name":"Bo","age":10,"tags":["aa","aa"],"home":{}}'),
        (PERSON, 'say "Bo", 7', '{"name":"say ","age":10,"tags":["Bo", "7a"],"home":{}}'),
        ({"enum": ["red", "blue"]}, "blue", '"blue"'),
        ({"type": ["null", "boolean"]}, "x", "false"),
    ],
)
def test_a_grammar_is_met_with_as_much_of_the_prompt_as_fits(schema: dict[str, object], prompt: str, said: str) -> None:
    assert answer(request(prompt, grammar=json_grammar(schema))) == (said, "stop")


def test_an_answer_under_a_grammar_ends_with_the_prompt() -> None:
    anything = regex_grammar("(.|\n)*")
    assert answer(request("all of it", grammar=anything)) == ("all of it", "stop")
    assert answer(request("all of it", grammar=anything, max_tokens=3)) == ("all", "length")
    shuffled = answer(request("one two three", seed=3, temperature=1))
    assert answer(request("one two three", seed=3, temperature=1, grammar=anything)) == shuffled


def test_grammars_fail_their_own_requests_alone() -> None:
    runner = open_echo(max_num_seqs=2)
    cut, bad, good = outcomes(
        runner,
        [
            request("x", grammar=json_grammar(PERSON), max_tokens=4),
            request("x", grammar=regex_grammar("[")),
            request("fine"),
        ],
    )
    assert ids(cut[:-1]) == list(b'{"na')
    assert isinstance(cut[-1], ConstraintNotMet)
    assert [type(outcome) for outcome in bad] == [BadGrammar]
    assert bytes(ids(good[:-1])) == b"fine"
    assert not runner.busy


def test_a_request_leaves_while_its_grammar_is_compiled() -> None:
    runner = open_echo()
    runner.submit(0, request("x", grammar=json_grammar()))
    runner.cancel(0)
    assert not runner.busy


def test_scores_are_those_of_who_is_certain() -> None:
    wanted = replace(request("ab"), scores=2, score_prompt=True)
    [made] = run(open_echo(), [wanted])
    assert [token.scores for token in made] == [Scores(0.0, [(id, 0.0), (0, -9999.0)]) for id in (97, 98, STOP)]
    assert unpack_scores(made[0].prompt) == [Scores(0.0, [(98, 0.0), (0, -9999.0)])]
    assert [token.scores for token in run(open_echo(), [replace(wanted, scores=0)])[0]] == [Scores(0.0)] * 3


def test_it_goes_on_until_it_may_end() -> None:
    assert answer(request("abc", min_tokens=5)) == ("abcab", "stop")
    assert answer(request("ab", min_tokens=5, grammar=regex_grammar("[ab]+"))) == ("ababa", "stop")
    assert answer(request("ab", min_tokens=5, grammar=regex_grammar("[ab]{3}"))) == ("aba", "stop")
    endless = replace(request("abc", max_tokens=7), stop_ids=[])
    [made] = run(open_echo(), [endless])
    assert (bytes(ids(made)), made[-1].finish_reason) == (b"abcabca", "length")


def test_a_stop_token_of_its_own_ends_it() -> None:
    wanted = replace(request("ab\ncd"), stop_ids=[STOP, 10])
    [made] = run(open_echo(), [wanted])
    assert made == [Token(97), Token(98), Token(10, "stop")]


def test_a_cut_answer_may_be_kept() -> None:
    wanted = request('{"a": 1}', max_tokens=4, grammar=json_grammar({"type": "object"}))
    assert isinstance(outcomes(open_echo(), [wanted])[0][-1], ConstraintNotMet)
    assert answer(replace(wanted, keep_cut=True)) == ('{"a"', "length")


def test_a_bias_forces_or_bans_a_token() -> None:
    assert answer(request("abcab", logit_bias={98: -100})) == ("aca", "stop")
    assert answer(request("ab", max_tokens=3, logit_bias={120: 100})) == ("xxx", "length")
    assert answer(request("ab", logit_bias={120: 99, 97: -99})) == ("ab", "stop")


def test_only_some_tokens_may_come() -> None:
    assert answer(request("abc", max_tokens=5, allowed_ids=[98, 120])) == ("bbbbb", "length")
    assert answer(request("abc", max_tokens=5, allowed_ids=[98, STOP])) == ("bbb", "stop")
