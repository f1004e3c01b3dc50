"""Load a checkpoint into a `ModelRunner`."""

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
"""Seconds."""

MIN_CONTEXT = 16


@dataclass(slots=True)
class Loaded:
    """A model and what the engine must know of it. `capacity` is the KV cache's size in positions."""

    model: ModelRunner
    config: ModelConfig
    cache: KvCache
    packed: Packed
    bank: LoraBank | None
    context_length: int
    capacity: int


def load_model(options: OnnxOptions, progress: Progress) -> Loaded:
    """Open, pack and start. Raises BadWeights, UnsupportedWeights."""
    progress("opening the checkpoint", 0, 0)
    checkpoint = open_checkpoint(Path(options.model_path))
    config = checkpoint.config
    capacity = (options.kv_memory or machine_memory() // 4) // bytes_per_token(config)
    context_length = min(options.context_length, config.context_length, capacity)
    if context_length < MIN_CONTEXT:
        raise UnsupportedWeights(
            f"The KV cache may hold {capacity} tokens of this model, which is too few. Raise kv_memory_mb."
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
    # OrtValues over the mapped file: ONNX Runtime reads them once, to make its own arrangement of the weights.
    values = [ort.OrtValue.ortvalue_from_numpy(packed.file.tensors[name]) for name in names]
    session_options.add_external_initializers(names, values)
    whole = sum(packed.file.tensors[name].nbytes for name in names)
    with _arranging(packed, whole, progress):
        return ort.InferenceSession(graph, session_options, providers=["CPUExecutionProvider"])


@contextmanager
def _arranging(packed: Packed, whole: int, progress: Progress) -> Iterator[None]:
    """While ONNX Runtime copies the mapped weights, say how far it is, and keep the mapped pages from adding up: they
    would double the peak memory.

    It tells nothing itself. But its copies, `whole` bytes, are nearly all that grows in this process meanwhile; how
    long it needs afterwards is not known.
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
