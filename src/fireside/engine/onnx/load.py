"""Loads a checkpoint into a `ModelRunner`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from fireside.engine.memory import anonymous_memory, machine_memory
from fireside.engine.onnx.graph import build_graph
from fireside.engine.onnx.kv_cache import KvCache, bytes_per_token
from fireside.engine.onnx.lora import LoraBank
from fireside.engine.onnx.model_runner import DecodeInput, ModelRunner
from fireside.engine.onnx.options import OnnxOptions
from fireside.engine.onnx.pack import Packed, pack
from fireside.engine.protocol import Progress
from fireside.errors import UnsupportedWeights
from fireside.weights.checkpoint import ModelConfig
from fireside.weights.open import open_checkpoint

DROP_INTERVAL = 0.2
"""Seconds between two drops of mapped pages, and between two reports of progress."""

MIN_CONTEXT = 16


@dataclass(slots=True)
class Loaded:
    """A loaded model and its data for the engine. `capacity` is the KV cache's size in positions."""

    model: ModelRunner
    config: ModelConfig
    cache: KvCache
    packed: Packed
    bank: LoraBank | None
    context_length: int
    capacity: int


def load_model(options: OnnxOptions, progress: Progress) -> Loaded:
    """Open and pack the checkpoint and start the session. Raises BadWeights, UnsupportedWeights."""
    progress("opening the checkpoint", 0, 0)
    checkpoint = open_checkpoint(Path(options.model_path))
    config = checkpoint.config
    capacity = (options.kv_memory or machine_memory() // 4) // bytes_per_token(config)
    context_length = min(options.context_length, config.context_length, capacity)
    if context_length < MIN_CONTEXT:
        raise UnsupportedWeights(
            f"The KV cache has room for only {capacity} tokens of this model; the minimum is {MIN_CONTEXT}. Raise "
            "kv_memory_mb."
        )
    packed = pack(checkpoint, options.weights, Path(options.cache_dir) if options.cache_dir else None, progress)
    session = _session(config, packed, options, progress)
    cache = KvCache(config, options.max_num_seqs, context_length)
    bank = LoraBank(packed.linears, options.adapter_memory) if options.adapter_memory else None
    model = ModelRunner(session, config, packed.embedding, cache, bank)
    model.decode([DecodeInput(0, 0, 0)])  # the first run allocates; do it before anyone waits
    return Loaded(model, config, cache, packed, bank, context_length, capacity)


def _session(config: ModelConfig, packed: Packed, options: OnnxOptions, progress: Progress) -> ort.InferenceSession:
    graph = build_graph(
        config, packed.linears, packed.head, packed.norms, exact=options.exact, lora=options.adapter_memory > 0
    )
    ort.disable_telemetry_events()  # on Windows the environment variable (see `fireside`) is not enough
    session_options = ort.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session_options.log_severity_level = 3
    specs = [*packed.norms, *(spec for layer in packed.linears for linear in layer for spec in linear.tensors())]
    names = [spec.name for spec in [*specs, *packed.head.tensors()]]
    # OrtValues over the mapped file: ONNX Runtime reads them once and makes its own copy in another layout.
    values = [ort.OrtValue.ortvalue_from_numpy(packed.file.tensors[name]) for name in names]
    session_options.add_external_initializers(names, values)
    whole = sum(packed.file.tensors[name].nbytes for name in names)
    with _arranging(packed, whole, progress):
        return ort.InferenceSession(graph, session_options, providers=["CPUExecutionProvider"])


@contextmanager
def _arranging(packed: Packed, whole: int, progress: Progress) -> Iterator[None]:
    """While ONNX Runtime copies the mapped weights, report progress and drop the mapped pages, which would double the
    peak memory.

    ONNX Runtime itself reports nothing. But its copies, `whole` bytes, account for nearly all memory growth of this
    process meanwhile. How long it takes after copying is unknown.
    """
    done = threading.Event()
    before = anonymous_memory()

    def watch() -> None:
        while not done.wait(DROP_INTERVAL):
            packed.file.drop_pages()
            copied = anonymous_memory() - before
            if before and copied < whole:
                progress("preparing the engine", max(0, copied), whole)
            else:
                progress("starting the engine", 0, 0)

    progress("preparing the engine", 0, whole if before else 0)
    thread = threading.Thread(target=watch, name="watch the weights", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        packed.file.drop_pages()
