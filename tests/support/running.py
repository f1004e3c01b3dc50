"""Drive an engine's runner by hand, step by step, in this process."""

from collections.abc import Sequence
from pathlib import Path

from fireside.engine.onnx.options import OnnxOptions, WeightsMode
from fireside.engine.onnx.runner import OnnxRunner
from fireside.engine.options import TokenTable
from fireside.engine.runner import Outcome, Runner
from fireside.engine.types import GenerationRequest, Token


def open_runner(
    path: Path,
    *,
    weights: WeightsMode = "auto",
    exact: bool = False,
    max_num_seqs: int = 8,
    context: int = 512,
    kv_memory: int = 0,
    adapter_memory: int = 0,
    tokens: TokenTable | None = None,
) -> OnnxRunner:
    options = OnnxOptions(
        model_path=str(path), weights=weights, exact=exact, context_length=context,
        max_num_seqs=max_num_seqs, kv_memory=kv_memory, adapter_memory=adapter_memory, threads=2, tokens=tokens,
    )  # fmt: skip
    return OnnxRunner(options, lambda phase, done, total: None)


def outcomes(runner: Runner, requests: Sequence[GenerationRequest], *, stagger: int = 0) -> list[list[Outcome]]:
    """What came of each request: tokens, and an error that ended it.

    With `stagger`, each is sent so many steps after the one before.
    """
    made: dict[int, list[Outcome]] = {number: [] for number in range(len(requests))}
    waiting = list(enumerate(requests))
    step = 0
    while waiting or runner.busy:
        while waiting and step >= waiting[0][0] * stagger:
            runner.submit(*waiting.pop(0))
        for number, outcome in runner.step():
            made[number].append(outcome)
        step += 1
        assert step < 10_000, "the runner never ends"
    return list(made.values())


def run(runner: Runner, requests: Sequence[GenerationRequest], *, stagger: int = 0) -> list[list[Token]]:
    """As `outcomes`, where none may be an error."""
    return [tokens_of(made) for made in outcomes(runner, requests, stagger=stagger)]


def tokens_of(made: Sequence[Outcome]) -> list[Token]:
    """The same, of which none may be an error."""
    tokens = [outcome for outcome in made if isinstance(outcome, Token)]
    assert tokens == list(made)
    return tokens


def answers(
    runner: Runner, requests: Sequence[GenerationRequest], *, stagger: int = 0
) -> list[list[tuple[int, str | None]]]:
    """What `run` gives, except for what the cache had to do with it."""
    made = run(runner, requests, stagger=stagger)
    return [[(token.id, token.finish_reason) for token in tokens] for tokens in made]


def ids(made: Sequence[Outcome]) -> list[int]:
    return [token.id for token in tokens_of(made)]
