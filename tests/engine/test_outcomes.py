"""What a request and its chosen tokens come to."""

import pytest

from fireside.engine.outcomes import check_request, has_ended, text_outcomes
from fireside.engine.types import Adapter, GenerationRequest, Sampling, Token
from fireside.errors import ConstraintNotMet
from support.grammars import STOP, open_constraint, regex_grammar


def test_a_request_that_the_model_cannot_run() -> None:
    check_request(GenerationRequest(prompt_ids=[0, 9], max_tokens=1), 10, adapters=False)
    for prompt in ([], [10], [-1]):
        with pytest.raises(ValueError, match="the prompt has no tokens, or tokens outside the vocabulary"):
            check_request(GenerationRequest(prompt_ids=prompt, max_tokens=1), 10, adapters=True)
    for sampling in (Sampling(logit_bias={10: 1.0}), Sampling(allowed_ids=[-1])):
        with pytest.raises(ValueError, match="logit_bias or allowed_ids"):
            check_request(GenerationRequest(prompt_ids=[1], max_tokens=1, sampling=sampling), 10, adapters=True)
    adapted = GenerationRequest(prompt_ids=[1], max_tokens=1, adapter=Adapter("a", "/a"))
    check_request(adapted, 10, adapters=True)
    with pytest.raises(ValueError, match="adapters"):
        check_request(adapted, 10, adapters=False)


def test_an_answer_ends_with_its_last_token_or_with_its_grammar() -> None:
    request = GenerationRequest(prompt_ids=[1], max_tokens=2, stop_ids=[STOP])
    assert text_outcomes(request, 7, 1, None, None) == [Token(7)]
    assert text_outcomes(request, 7, 2, None, None) == [Token(7, "length")]
    constraint = open_constraint(regex_grammar("ab"))
    constraint.accept(ord("a"))
    assert not has_ended(text_outcomes(request, ord("a"), 1, constraint, None))
    constraint.accept(ord("b"))
    assert text_outcomes(request, ord("b"), 2, constraint, None) == [Token(ord("b")), Token(STOP, "stop")]


@pytest.mark.parametrize("keep_cut", [False, True])
def test_an_answer_that_is_cut_before_it_fits_its_grammar(keep_cut: bool) -> None:
    request = GenerationRequest(prompt_ids=[1], max_tokens=1, stop_ids=[STOP], keep_cut=keep_cut)
    constraint = open_constraint(regex_grammar("abc"))
    constraint.accept(ord("a"))
    *_, last = outcomes = text_outcomes(request, ord("a"), 1, constraint, None)
    assert has_ended(outcomes)
    assert last == Token(ord("a"), "length") if keep_cut else isinstance(last, ConstraintNotMet)
