"""What every engine keeps to, asked of each of them through its process and behind its admission."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from fireside.engine.registry import engine_type, kinds
from fireside.engine.types import Adapter, GenerationRequest, Sampling, unpack_scores
from fireside.errors import BadGrammar, ConstraintNotMet, ContextOverflow, EngineFailed, FeatureUnavailable
from support.engine_subjects import CONTEXT, PROMPT, SUBJECTS, VOCAB, Answer, Running, Subject, ask, seeded
from support.grammars import STOP, json_grammar, regex_grammar

pytestmark = pytest.mark.anyio


def test_every_registered_engine_is_here() -> None:
    assert sorted(SUBJECTS) == kinds()


async def test_it_needs_nothing_that_is_missing(subject: Subject) -> None:
    assert list(subject.type.requirements(subject.options)) == []


async def test_it_has_what_it_was_told(engine: Running) -> None:
    assert (engine.info.context_length, engine.info.max_num_seqs) == (CONTEXT, 2)


# Answers


async def test_the_last_token_and_no_other_says_how_the_answer_ended(engine: Running) -> None:
    for request in (ask(), ask(max_tokens=1), ask(sampling=seeded()), ask(stop_ids=[STOP], max_tokens=40)):
        answer = await engine.answer(request)
        assert [token.finish_reason for token in answer.tokens[:-1]] == [None] * (len(answer.tokens) - 1)
        assert answer.finish_reason == ("length" if len(answer.text_ids) == request.max_tokens else "stop")
        assert len(answer.text_ids) <= request.max_tokens


async def test_a_greedy_answer_is_the_same_each_time(engine: Running) -> None:
    first = await engine.answer(ask())
    assert len(first.ids) == 12
    assert (await engine.answer(ask())).ids == first.ids


async def test_a_stop_token_ends_the_answer_and_is_not_part_of_it(engine: Running) -> None:
    whole = (await engine.answer(ask(sampling=seeded()))).ids
    place = next(index for index in range(3, 12) if whole[index] not in whole[:index])
    answer = await engine.answer(ask(sampling=seeded(), stop_ids=[VOCAB - 1, whole[place]]))
    assert (answer.ids, answer.finish_reason) == (whole[: place + 1], "stop")


async def test_several_prompts_at_once_and_more_than_it_runs(engine: Running) -> None:
    requests = [ask(PROMPT[: 2 + number], max_tokens=3 + number) for number in range(6)]
    alone = [(await engine.answer(request)).ids for request in requests]
    assert [answer.ids for answer in await engine.answers(requests)] == alone


# Seeds


@pytest.mark.parametrize(
    "sampling", [seeded(), seeded(temperature=2.5), seeded(top_k=5), seeded(top_p=0.7), seeded(min_p=0.01)], ids=repr
)
async def test_a_seeded_answer_is_the_same_alone_and_beside_others(engine: Running, sampling: Sampling) -> None:
    alone = (await engine.answer(ask(sampling=sampling))).ids
    beside = [ask(PROMPT[number:], sampling=seeded(number), max_tokens=20) for number in range(1, 6)]
    answers = await engine.answers([*beside[:3], ask(sampling=sampling), *beside[3:]])
    assert answers[3].ids == alone
    assert (await engine.answer(ask(sampling=sampling))).ids == alone


async def test_another_seed_is_another_answer(engine: Running) -> None:
    answers = {tuple((await engine.answer(ask(sampling=seeded(seed), max_tokens=18))).ids) for seed in range(5)}
    assert len(answers) > 1


# Every field of Sampling


Check = Callable[[Running], Awaitable[None]]


def is_greedy(**fields: Any) -> Check:
    """With this, the likeliest token is the only one left."""

    async def check(engine: Running) -> None:
        reference = ask(sampling=Sampling(temperature=0) if engine.subject.draws else seeded())
        expected = (await engine.answer(reference)).ids
        assert (await engine.answer(ask(sampling=seeded(**fields)))).ids == expected

    return check


def says_nothing_twice(**fields: Any) -> Check:
    async def check(engine: Running) -> None:
        prompt = list(b"abcdefghijklm")
        for sampling in (Sampling(temperature=0, **fields), seeded(**fields)):
            made = (await engine.answer(ask(prompt, sampling=sampling))).ids
            assert len(made) == len(set(made)) == 12

    return check


async def temperature(engine: Running) -> None:
    greedy = (await engine.answer(ask())).ids
    assert (await engine.answer(ask(sampling=Sampling(temperature=0, seed=9)))).ids == greedy


async def seed(engine: Running) -> None:
    await test_another_seed_is_another_answer(engine)


async def repetition_penalty(engine: Running) -> None:
    await says_nothing_twice(repetition_penalty=1e6)(engine)


async def logit_bias(engine: Running) -> None:
    plain = (await engine.answer(ask())).ids
    forced = await engine.answer(ask(sampling=Sampling(temperature=0, logit_bias={7: 100.0})))
    assert forced.ids == [7] * 12
    banned = await engine.answer(ask(sampling=Sampling(temperature=0, logit_bias={plain[0]: -100.0})))
    assert plain[0] not in banned.ids


async def allowed_ids(engine: Running) -> None:
    for sampling in (Sampling(temperature=0, allowed_ids=[3, 5]), seeded(allowed_ids=[3, 5])):
        answer = await engine.answer(ask(sampling=sampling, stop_ids=[STOP]))
        assert set(answer.ids) <= {3, 5}
        assert len(answer.ids) == 12


async def typical_p(engine: Running) -> None:
    """Of almost no probability, one token is left each time, whatever the seed."""
    answers = [await engine.answer(ask(sampling=seeded(number, typical_p=1e-9))) for number in range(4)]
    if engine.subject.draws:
        assert len({tuple(answer.ids) for answer in answers}) == 1


async def min_tokens(engine: Running) -> None:
    whole = (await engine.answer(ask())).ids
    for count in (1, 4):
        answer = await engine.answer(ask(stop_ids=[whole[0]], sampling=Sampling(temperature=0, min_tokens=count)))
        assert len(answer.text_ids) >= count


FIELDS: dict[str, Check] = {
    "temperature": temperature,
    "top_p": is_greedy(top_p=1e-9),
    "top_k": is_greedy(top_k=1),
    "seed": seed,
    "repetition_penalty": repetition_penalty,
    "frequency_penalty": says_nothing_twice(frequency_penalty=1e6),
    "presence_penalty": says_nothing_twice(presence_penalty=1e6),
    "min_p": is_greedy(min_p=1.0),
    "typical_p": typical_p,
    "logit_bias": logit_bias,
    "allowed_ids": allowed_ids,
    "min_tokens": min_tokens,
}
ASKS: dict[str, Any] = {"seed": 1, "top_k": 1, "logit_bias": {1: 1.0}, "allowed_ids": [1], "min_tokens": 1}
"""What asks for a field, where no fraction does."""


def test_every_field_has_a_check() -> None:
    assert set(FIELDS) == set(Sampling.__struct_fields__)


@pytest.mark.parametrize("field", FIELDS)
async def test_each_field_of_sampling_is_honoured_or_refused_by_name(engine: Running, field: str) -> None:
    lacked = engine.subject.type.lacks.get(field)
    if lacked is None:
        await FIELDS[field](engine)
        return
    with pytest.raises(FeatureUnavailable, match=lacked):
        await engine.answer(ask(sampling=Sampling(**{field: ASKS.get(field, 0.5)})))


# Grammars, adapters, scores


async def refused_or(engine: Running, field: str, request: GenerationRequest) -> bool:
    """Whether the engine lacks a field, which it then refuses by name."""
    lacked = engine.subject.type.lacks.get(field)
    if lacked is None:
        return False
    with pytest.raises(FeatureUnavailable, match=lacked):
        await engine.answer(request)
    return True


async def test_an_answer_keeps_to_its_grammar(engine: Running) -> None:
    request = ask(sampling=seeded(), grammar=regex_grammar("[xyz]{5}"), stop_ids=[STOP])
    if await refused_or(engine, "grammar", request):
        return
    answer = await engine.answer(request)
    assert answer.finish_reason == "stop"
    assert len(answer.text_ids) == 5
    assert set(answer.text_ids) <= set(b"xyz")
    beside = [ask(sampling=seeded(3)), request, ask(sampling=seeded(4), grammar=json_grammar({"enum": [1, 22]}))]
    assert (await engine.answers(beside))[1].ids == answer.ids


async def test_a_grammar_that_fails_costs_its_own_request(engine: Running) -> None:
    if "grammar" in engine.subject.type.lacks:
        return
    cut = ask(grammar=regex_grammar("x{60}"), stop_ids=[STOP])
    failed = await asyncio.gather(
        engine.answer(ask(grammar=regex_grammar("["))), engine.answer(cut), engine.answer(ask()), return_exceptions=True
    )
    assert [type(outcome) for outcome in failed] == [BadGrammar, ConstraintNotMet, Answer]
    kept = await engine.answer(ask(grammar=cut.grammar, stop_ids=[STOP], keep_cut=True))
    assert (kept.ids, kept.finish_reason) == ([ord("x")] * 12, "length")


async def test_an_adapter_changes_its_own_requests(engine: Running) -> None:
    adapter = engine.subject.adapter
    if adapter is None:
        assert "adapter" in engine.subject.type.lacks
        return
    plain, adapted = ask(sampling=seeded()), ask(sampling=seeded(), adapter=adapter)
    without, with_it = (await engine.answer(plain)).ids, (await engine.answer(adapted)).ids
    assert without != with_it
    assert [answer.ids for answer in await engine.answers([plain, adapted, plain])] == [without, with_it, without]


async def test_an_adapter_that_is_not_there_costs_its_own_request(engine: Running) -> None:
    request = ask(adapter=Adapter("missing", "/nowhere"))
    if await refused_or(engine, "adapter", request):
        return
    failed, answer = await asyncio.gather(engine.answer(request), engine.answer(ask()), return_exceptions=True)
    assert type(failed) is EngineFailed
    assert isinstance(answer, Answer)


async def test_scores_are_told_where_they_are_asked_for(engine: Running) -> None:
    request = ask(scores=2, score_prompt=True)
    if await refused_or(engine, "scores", request):
        return
    plain, answer = await engine.answer(ask()), await engine.answer(request)
    assert answer.ids == plain.ids
    assert all(token.scores is None and not token.prompt for token in plain.tokens)
    for token in answer.tokens:
        assert token.scores is not None
        assert token.scores.best[0] == (token.id, token.scores.logprob)
        assert 0 >= token.scores.best[0][1] >= token.scores.best[1][1]
    prompt = unpack_scores(answer.tokens[0].prompt)
    assert len(prompt) == len(PROMPT) - 1
    assert all(scores.logprob <= 0 and len(scores.best) == 2 for scores in prompt)
    assert not any(token.prompt for token in answer.tokens[1:])


# Accounts


async def test_prefixes_are_shared_within_an_account_and_a_salt_alone(engine: Running) -> None:
    prompt = list(b"Jeder ist seines Nachbarn Nachbar. " * 3)

    async def reused(account: str, salt: str) -> int:
        answer = await engine.answer(ask(prompt, account=account, cache_salt=salt, max_tokens=2))
        return answer.tokens[0].reused

    assert await reused("a", "") == 0
    for account, salt in (("b", ""), ("a", "salt"), ("a\n", "salt"), ("", "a"), ("b", "salt")):
        assert await reused(account, salt) == 0
    again = [await reused("b", "salt"), await reused("b", "salt")]
    assert all(count > 0 for count in again) == engine.subject.reuses_prefixes


# Cancelling and limits


async def test_closing_an_answer_stops_it_within_a_step(engine: Running) -> None:
    for _ in range(3):
        tokens = engine.tokens(ask(max_tokens=200), Answer())
        async with aclosing(tokens):  # type: ignore[type-var]
            async for _token in tokens:
                break
        stats = await engine.engine.stats()
        assert (stats.running, stats.waiting) == (0, 0)
    assert len((await engine.answer(ask())).ids) == 12


async def test_cancelled_tasks_leave_nothing_behind(engine: Running) -> None:
    tasks = [asyncio.create_task(engine.answer(ask(max_tokens=200, account=f"{number}"))) for number in range(6)]
    before = (await engine.engine.stats()).generated_tokens
    while (await engine.engine.stats()).generated_tokens == before:  # noqa: ASYNC110 - a counter has no events
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    stats = await engine.engine.stats()
    assert (stats.running, stats.waiting, engine.admission.waiting) == (0, 0, 0)


async def test_prompt_and_answer_fill_the_context_and_no_more(engine: Running) -> None:
    prompt = [97] * (CONTEXT - 4)
    assert len((await engine.answer(ask(prompt, max_tokens=4))).ids) == 4
    with pytest.raises(ContextOverflow) as caught:
        await engine.answer(ask(prompt, max_tokens=5))
    assert caught.value.context_length == CONTEXT


async def test_a_token_that_the_model_does_not_have_costs_its_own_request(engine: Running) -> None:
    outcomes = await asyncio.gather(engine.answer(ask([VOCAB + 5, 1])), engine.answer(ask()), return_exceptions=True)
    assert isinstance(outcomes[0], EngineFailed) or engine.info.vocab_size is None
    assert isinstance(outcomes[1], Answer)


async def test_it_counts_its_work(engine: Running) -> None:
    before = await engine.engine.stats()
    await engine.answer(ask(account="who counts"))
    after = await engine.engine.stats()
    assert after.prompt_tokens - before.prompt_tokens == len(PROMPT)
    assert after.generated_tokens - before.generated_tokens == 12
    assert after.decode_steps > before.decode_steps


def test_what_an_engine_lacks_has_a_name() -> None:
    assert all(words for kind in kinds() for words in engine_type(kind).lacks.values())
