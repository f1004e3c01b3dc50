"""Runs inside vLLM's own environment: loads a checkpoint, times prefill and decode, and writes JSON lines.

Its first argument is a JSON object: model, context_length, prefill_tokens, prompt_tokens, decode_tokens, batches, seed,
temperature, eager, and perhaps adapters, folders by rank, and distinct, how many of them the streams share: then it
times those instead. It stands alone: neither Fireside nor the rest of the benchmark is there to import.
"""

import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence

TASK = json.loads(sys.argv[1])
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB, and more than these prompts need
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")


def main() -> None:
    """Write {"ready": true}, {"prefill": seconds} and for each batch {"batch": B, "times": [[seconds, …], …]}.

    With adapters, for each rank and number of distinct ones {"rank": R, "distinct": D, "seconds": of all streams}.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print to standard output
    from vllm import LLM

    def say(**what: object) -> None:
        print(json.dumps(what), file=out, flush=True)

    llm = LLM(
        model=TASK["model"],
        skip_tokenizer_init=True,
        max_model_len=TASK["context_length"],
        max_num_seqs=max(TASK["batches"]),
        max_num_batched_tokens=TASK["prefill_tokens"],  # its warm-up runs a step of this size
        enable_prefix_caching=False,
        disable_log_stats=True,
        enforce_eager=TASK["eager"],
        **lora_options(),
    )
    run(llm, [prompt(16)], 2)  # what it leaves for its first request is not speed
    say(ready=True)
    if "adapters" in TASK:
        run_adapters(llm, say)
        return
    began = time.perf_counter()
    run(llm, [prompt(TASK["prefill_tokens"])], 1)
    say(prefill=time.perf_counter() - began)
    for batch in TASK["batches"]:
        prompts = [prompt(TASK["prompt_tokens"]) for _ in range(batch)]
        say(batch=batch, times=run(llm, prompts, TASK["decode_tokens"] + 2))


def lora_options() -> dict[str, object]:
    """What vLLM must know of the adapters before it loads."""
    adapters = TASK.get("adapters", {})
    if not adapters:
        return {}
    most = max(map(len, adapters.values()))
    return {"enable_lora": True, "max_loras": most, "max_lora_rank": max(map(int, adapters))}


def run_adapters(llm: object, say: Callable[..., None]) -> None:
    """As many streams as a rank has adapters, with so many of them; each mix is run once before it counts."""
    from vllm.lora.request import LoRARequest

    numbers = itertools.count(1)
    for rank, folders in TASK["adapters"].items():
        requests = [LoRARequest(folder, next(numbers), folder) for folder in folders]
        for distinct in TASK["distinct"]:
            chosen = [requests[index % distinct] if distinct else None for index in range(len(folders))]
            for tokens in (2, TASK["decode_tokens"]):
                prompts = [prompt(TASK["prompt_tokens"]) for _ in chosen]
                began = time.perf_counter()
                run(llm, prompts, tokens, chosen)
                seconds = time.perf_counter() - began
            say(rank=int(rank), distinct=distinct, seconds=seconds)


def prompt(length: int) -> list[int]:
    """Random token ids."""
    return [random.randrange(300, 32000) for _ in range(length)]


def run(
    llm: object, prompts: list[list[int]], tokens: int, adapters: Sequence[object] | None = None
) -> list[list[float]]:
    """Generate for all prompts at once, each with its adapter; when each token of each came."""
    from vllm import SamplingParams

    engine = llm.llm_engine  # type: ignore[attr-defined]
    sampling = SamplingParams(temperature=TASK["temperature"], max_tokens=tokens, ignore_eos=True, detokenize=False)
    for index, ids in enumerate(prompts):
        lora = adapters[index] if adapters else None
        engine.add_request(str(index), {"prompt_token_ids": ids}, sampling, lora_request=lora)
    times: list[list[float]] = [[] for _ in prompts]
    while engine.has_unfinished_requests():
        for output in engine.step():
            stream = times[int(output.request_id)]
            made = len(output.outputs[0].token_ids)
            stream += [time.perf_counter()] * (made - len(stream))
    return times


if __name__ == "__main__":
    random.seed(TASK["seed"])
    main()
