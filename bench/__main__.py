"""`python -m bench`: makes what it needs, measures, prints the tables."""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.adapters import (
    STREAMS,
    AdapterTurn,
    AdapterWork,
    FiresideAdapters,
    LlamaAdapters,
    VllmAdapters,
    adapter_rows,
)
from bench.attacks.part import attacks_table
from bench.fireside_engine import Fireside
from bench.forms import FiresideForms, FormWork, form_rows
from bench.gguf_checkpoint import write_float_gguf
from bench.gguf_errors import MixErrors, measure, mixes_table, weights_table
from bench.gguf_mixes import MIXES, RANDOM_LLAMA, Mixes
from bench.http_endpoints import Endpoint, FiresideEngine, FiresideServer, LlamaServer
from bench.http_rounds import counting_prompt, run_http
from bench.model import make_once, mistral_7b
from bench.peers.llama_cpp import BINARIES, QUANTISERS, LlamaCpp, find_binaries
from bench.peers.vllm_cpu import VllmCpu
from bench.plan import SMALL_MODEL, Plan
from bench.report import http_table, overhead_table, rounds_table
from bench.rounds import engine_rows, run_rounds
from bench.stepped_parts import conversations_part, waiting_part
from bench.workload import BenchError, Contender, Turn, Unavailable, Workload
from fireside.catalog.loader import Catalog
from fireside.settings import default_data_dir, load_settings
from fireside.weights.download.pull import pull

PARTS = ("engine", "adapters", "forms", "gguf", "conversations", "waiting", "http", "overhead", "attacks")
PEERS = ("llama.cpp", "vllm-cpu")
OVERHEAD_STREAMS = 16
PIPED_WIDTH = 120
Overhead = tuple[str, float | None, float | None, float | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for. The exit status is 0 even when a peer could not take part."""
    plan = _read_arguments(arguments)
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=PIPED_WIDTH)
    console.print(f"{_processor()}, {plan.threads} threads, {platform.system()}; rounds: {plan.rounds}")
    try:
        if "engine" in plan.parts:
            _engine_part(plan, console)
        overheads: list[Overhead] = []
        if "gguf" in plan.parts:
            _gguf_part(plan, console)
        if "adapters" in plan.parts:
            _adapters_part(plan, console)
        if "forms" in plan.parts:
            _forms_part(plan, console)
        if "conversations" in plan.parts:
            conversations_part(plan, console)
        if "waiting" in plan.parts:
            waiting_part(plan, console)
        if "http" in plan.parts:
            overheads += _http_part(plan, console)
        if "overhead" in plan.parts:
            overheads.append(_overhead_part(plan))
        if "attacks" in plan.parts:
            console.print(attacks_table(quick=plan.quick))
        if overheads:
            console.print(overhead_table(f"What HTTP costs at {OVERHEAD_STREAMS} streams", overheads))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _engine_part(plan: Plan, console: Console) -> None:
    config, awq = mistral_7b(plan.layers), plan.awq()
    contenders: list[Contender[Workload, Turn]] = [Fireside(plan.work, awq)]
    if "llama.cpp" in plan.peers:
        contenders.append(LlamaCpp(plan.work, config, "Q4_0", plan.llama_cpp))
        contenders.append(LlamaCpp(plan.work, config, "Q4_1", plan.llama_cpp))
    if "vllm-cpu" in plan.peers:
        contenders.append(VllmCpu(plan.work, awq, eager=plan.quick))
    workload = Workload(threads=plan.threads)
    if plan.quick:
        workload = Workload(threads=plan.threads, prefill_tokens=128, batches=(1, 8), prompt_tokens=8, decode_tokens=8)
    results = run_rounds(contenders, workload, plan.rounds)
    names = [contender.name for contender in contenders]
    rows = engine_rows(workload.batches, workload.prefill_tokens)
    console.print(rounds_table(f"{plan.shape}, AWQ 4-bit, random weights", results, names, rows))


def _adapters_part(plan: Plan, console: Console) -> None:
    """LoRA adapters on the large model at 8 streams."""
    config = mistral_7b(plan.layers)
    contenders: list[Contender[AdapterWork, AdapterTurn]] = [FiresideAdapters(plan.work, plan.awq())]
    if "llama.cpp" in plan.peers:
        base = LlamaCpp(plan.work, config, "Q4_0", plan.llama_cpp)
        contenders.append(LlamaAdapters(plan.work, base))
    if "vllm-cpu" in plan.peers:
        contenders.append(VllmAdapters(VllmCpu(plan.work, plan.awq(), eager=plan.quick)))
    work = AdapterWork(plan.work, config, 12 if plan.quick else 32, plan.threads)
    results = run_rounds(contenders, work, plan.rounds)
    title = f"{plan.shape}: LoRA on all linears, {STREAMS} streams"
    console.print(rounds_table(title, results, [contender.name for contender in contenders], adapter_rows()))


def _forms_part(plan: Plan, console: Console) -> None:
    """Answers held to a JSON schema, on the large model."""
    contender = FiresideForms(plan.work, plan.awq())
    results = run_rounds([contender], FormWork(12 if plan.quick else 48, plan.threads), plan.rounds)
    console.print(rounds_table(f"{plan.shape}: answers held to a form", results, [contender.name], form_rows()))


def _gguf_part(plan: Plan, console: Console) -> None:
    """What becomes of the weights of each mix of llama-quantize."""
    programs = find_binaries(plan.work, plan.llama_cpp, QUANTISERS)
    random = make_once(plan.work / "random-llama.gguf", 1 << 26, lambda path: write_float_gguf(path, RANDOM_LLAMA))
    measured = _measure_mixes(plan, programs, "a random Llama", random)
    console.print(weights_table(errors for _, errors in measured))
    console.print(mixes_table("a random Llama", measured))
    if not plan.quick:
        model = pull(Catalog.load().get(SMALL_MODEL), load_settings().data_dir)
        console.print(mixes_table("SmolLM2", _measure_mixes(plan, programs, "SmolLM2", next(model.glob("*.gguf")))))


def _measure_mixes(plan: Plan, programs: Path, name: str, source: Path) -> list[tuple[str, MixErrors]]:
    mixes = Mixes(plan.work, name.replace(" ", "-"), source, programs, plan.threads)
    mixes.prepare()
    measured = []
    for mix in MIXES:
        print(f"{name} in {mix} …", file=sys.stderr)
        measured.append((mix, measure(mixes, mix, plan.threads)))
    return measured


def _http_part(plan: Plan, console: Console) -> list[Overhead]:
    """SmolLM2 through HTTP; returns what HTTP costs, unless one quick round is all there is to tell it from."""
    spec = Catalog.load().get(SMALL_MODEL)
    model = pull(spec, load_settings().data_dir)
    streams, context = (1, 8, 32) if plan.quick else (1, 8, OVERHEAD_STREAMS, 32), 512
    size = (max(streams), context, plan.threads)
    endpoints: list[Endpoint] = [FiresideServer(plan.work, model, *size)]
    if "llama.cpp" in plan.peers:
        try:
            program = find_binaries(plan.work, plan.llama_cpp) / BINARIES[1]
        except Unavailable as error:
            print(f"llama-server is left out: {error}", file=sys.stderr)
        else:
            endpoints.append(LlamaServer(plan.work, program, next(model.glob("*.gguf")), *size))
    if not plan.quick:
        endpoints.append(FiresideEngine(plan.work, model, *size))
    results = asyncio.run(run_http(endpoints, streams, 10 if plan.quick else 96, plan.rounds, counting_prompt))
    names = [endpoint.name for endpoint in endpoints]
    console.print(http_table("SmolLM2-135M-Instruct (GGUF Q4_1) through HTTP", results, names))
    if plan.quick:
        return []
    alone, through = FiresideEngine.name, FiresideServer.name
    rates = results.rate(alone, OVERHEAD_STREAMS), results.rate(through, OVERHEAD_STREAMS)
    return [("SmolLM2-135M", *rates, results.overhead(alone, through, OVERHEAD_STREAMS))]


def _overhead_part(plan: Plan) -> Overhead:
    """The large model at 16 streams, with and without HTTP."""
    model, size = plan.awq(), (OVERHEAD_STREAMS, 512, plan.threads)
    alone, through = FiresideEngine(plan.work, model, *size), FiresideServer(plan.work, model, *size)
    # Random weights go on with anything; a few tokens of prompt leave the time to decoding.
    tokens = 16 if plan.quick else 64
    results = asyncio.run(run_http([alone, through], [OVERHEAD_STREAMS], tokens, plan.rounds, lambda n: f"{n}:"))
    return (
        plan.shape,
        results.rate(alone.name, OVERHEAD_STREAMS),
        results.rate(through.name, OVERHEAD_STREAMS),
        results.overhead(alone.name, through.name, OVERHEAD_STREAMS),
    )


def _read_arguments(arguments: Sequence[str] | None) -> Plan:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Fireside beside llama.cpp and vLLM on this machine. See bench/README.md."
    )
    parser.add_argument("--quick", action="store_true", help="4 layers and one round: a few minutes, for a first look")
    parser.add_argument("--rounds", type=int, help="how often everybody takes a turn (default: 3; quick: 1)")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--peer", action="append", choices=[*PEERS, "none"], help="only this peer; may be repeated")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="arithmetic threads (default: cores)")
    parser.add_argument(
        "--llama-cpp", type=Path, metavar="DIR", help=f"folder with {', '.join([*BINARIES, *QUANTISERS])}"
    )
    parser.add_argument(
        "--work", type=Path, default=default_data_dir() / "bench", help="checkpoints and peers (default: %(default)s)"
    )
    given = parser.parse_args(arguments)
    rounds = given.rounds or (1 if given.quick else 3)
    usual = ("engine", "http") if given.quick else PARTS
    parts, peers = tuple(given.part or usual), tuple(given.peer or PEERS)
    return Plan(given.work, given.llama_cpp, parts, peers, rounds, given.threads, given.quick)


def _processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
