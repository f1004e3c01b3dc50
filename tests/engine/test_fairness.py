"""The virtual token counter: work is shared by tokens, and nobody saves up turns."""

from fireside.engine import fairness
from fireside.engine.fairness import ANSWER_WEIGHT, PROMPT_WEIGHT, VirtualTokenCounter

A, B, C = "first", "second", "third"


def serve(counter: VirtualTokenCounter, account: str, prompt_tokens: int, answer_tokens: int) -> None:
    """A request of an account that goes on waiting with the next one."""
    counter.charge(account, prompt_tokens=prompt_tokens, answer_tokens=answer_tokens)


def test_tokens_are_shared_and_not_requests() -> None:
    counter = VirtualTokenCounter()
    for account in (A, B):
        counter.wait(account)
    served: dict[str, list[int]] = {A: [], B: []}
    sizes = {A: 1000, B: 10}
    for _ in range(1010):
        chosen = min((A, B), key=counter.cost)
        serve(counter, chosen, sizes[chosen], 0)
        served[chosen].append(sizes[chosen])
    assert abs(sum(served[A]) - sum(served[B])) <= max(sizes.values())


def test_a_token_of_an_answer_weighs_more_than_one_of_a_prompt() -> None:
    counter = VirtualTokenCounter()
    for account in (A, B):
        counter.wait(account)
    serve(counter, A, 100, 0)
    serve(counter, B, 0, 100)
    assert (counter.cost(A), counter.cost(B)) == (100 * PROMPT_WEIGHT, 100 * ANSWER_WEIGHT)


def test_who_comes_late_begins_with_the_least_of_those_who_wait() -> None:
    counter = VirtualTokenCounter()
    for account, cost in ((A, 500), (B, 800)):
        counter.wait(account)
        serve(counter, account, cost, 0)
    counter.wait(C)
    assert counter.cost(C) == 500


def test_who_comes_back_keeps_what_it_has_used_and_saves_up_nothing() -> None:
    counter = VirtualTokenCounter()
    counter.wait(A)
    serve(counter, A, 900, 0)
    counter.leave(A)
    counter.wait(B)  # nobody waits: it begins where the last one was
    assert counter.cost(B) == 900
    serve(counter, B, 5000, 0)
    counter.wait(A)
    assert counter.cost(A) == 5900
    counter.leave(A)
    counter.leave(B)
    serve(counter, A, 100, 0)
    counter.wait(B)
    counter.wait(A)
    assert (counter.cost(A), counter.cost(B)) == (6000, 5900)


def test_a_second_request_that_waits_changes_nothing() -> None:
    counter = VirtualTokenCounter()
    counter.wait(A)
    counter.wait(B)
    serve(counter, A, 700, 0)
    serve(counter, B, 300, 0)
    counter.wait(B)
    assert counter.cost(B) == 300
    counter.leave(B)
    counter.wait(C)  # one of B's still waits
    assert counter.cost(C) == 300


def test_only_so_many_accounts_are_remembered() -> None:
    counter = VirtualTokenCounter()
    for number in range(fairness.MAX_ACCOUNTS + 10):
        counter.wait(str(number))
        serve(counter, str(number), 1, 0)
        counter.leave(str(number))
    assert len(counter._costs) == fairness.MAX_ACCOUNTS
    assert counter.cost("0") == 0
