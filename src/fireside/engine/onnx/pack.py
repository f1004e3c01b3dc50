"""Packs a checkpoint into the tensors of the graph, by way of a cache file."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fireside.engine.onnx.layout import (
    Choose,
    LinearSpec,
    TensorSpec,
    WeightFormat,
    head_linear,
    layer_linears,
    norm_tensors,
    parameters,
)
from fireside.engine.onnx.options import WeightsMode
from fireside.engine.onnx.packed_file import PackedFile
from fireside.engine.protocol import Progress
from fireside.errors import BadWeights
from fireside.weights.checkpoint import AwqLinear, BlockLinear, Checkpoint, Coding, ModelConfig
from fireside.weights.nbits import choose_block_size, dense_blocks, pack_awq, pack_blocks, quantize, unpack_awq

PACK_VERSION = 2
"""Increment it whenever the meaning of the packed bytes changes: old cache files are then replaced."""

SMALL_MODEL = 250_000_000
"""The largest number of parameters for which "auto" means f32. Rounding hurts small models most (8-bit arithmetic
changes SmolLM2-135M's first word on the capital of France), and in f32 they are fast and fit in a gigabyte."""

WORKERS = 2
EMBEDDING = "embed_tokens"


@dataclass(slots=True)
class Packed:
    """Everything that a session needs: the linears, the norms and the file with their arrays."""

    linears: list[list[LinearSpec]]
    head: LinearSpec
    norms: list[TensorSpec]
    file: PackedFile

    @property
    def embedding(self) -> NDArray[np.generic]:
        """The embedding, float16 or float32 [vocab, hidden]."""
        return self.file.tensors[EMBEDDING]


def pack(checkpoint: Checkpoint, mode: WeightsMode, cache_dir: Path | None, progress: Progress) -> Packed:
    """Pack a checkpoint, or map the file that an earlier start packed. Raises BadWeights, UnsupportedWeights."""
    planned = plan(checkpoint, mode)
    flat, norms, specs = planned.flat, planned.norms, planned.tensors()
    key = _key(checkpoint, planned)
    file = PackedFile(specs, _cache_file(cache_dir, key) if cache_dir else None, key)
    if not file.warm:
        try:
            _fill(checkpoint, flat, norms, file, progress)
        except BaseException:
            file.discard()
            raise
    return Packed(planned.linears, planned.head, norms, file)


def packed_path(checkpoint: Checkpoint, mode: WeightsMode, cache_dir: Path) -> Path:
    """The cache file of `pack`, whether it exists or not. Raises BadWeights, UnsupportedWeights."""
    return _cache_file(cache_dir, _key(checkpoint, plan(checkpoint, mode)))


def _key(checkpoint: Checkpoint, planned: "Plan") -> str:
    """A hex digest of everything that the packed bytes depend on."""
    formats = [(linear.weight_format, linear.block) for linear in planned.flat]
    return hashlib.sha256(f"{PACK_VERSION} {formats} {checkpoint.fingerprint}".encode()).hexdigest()


def _cache_file(cache_dir: Path, key: str) -> Path:
    return cache_dir / f"{key[:32]}.safetensors"


class Planned(Protocol):
    """The part of a checkpoint that a plan needs."""

    @property
    def config(self) -> ModelConfig: ...

    def coding(self, name: str) -> Coding | None:
        """See `Checkpoint`."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """The tensors that a model is packed into. They take no memory yet."""

    linears: list[list[LinearSpec]]
    head: LinearSpec
    norms: list[TensorSpec]
    embedding: TensorSpec

    @property
    def flat(self) -> list[LinearSpec]:
        """All products, the head last."""
        return [*(linear for layer in self.linears for linear in layer), self.head]

    def tensors(self) -> list[TensorSpec]:
        """All tensors, in file order."""
        return [self.embedding, *self.norms, *(tensor for linear in self.flat for tensor in linear.tensors())]


def plan(checkpoint: Planned, mode: WeightsMode) -> Plan:
    """The tensors that `pack` would make of the checkpoint."""
    config = checkpoint.config
    choose = _chooser(checkpoint, mode)
    linears = [layer_linears(config, layer, choose) for layer in range(config.layers)]
    exact = all(linear.weight_format == "f32" for layer in linears for linear in layer)
    head = head_linear(config, "f32" if exact else "int8")
    norms = norm_tensors(config)
    embedding_dtype = np.dtype(np.float32 if exact else np.float16)
    return Plan(linears, head, norms, TensorSpec(EMBEDDING, embedding_dtype, (config.vocab_size, config.hidden_size)))


def _chooser(checkpoint: Planned, mode: WeightsMode) -> Choose:
    """Choose each product's format: the file's own codes if it has any, else the most accurate that `mode` allows."""
    rounded: WeightFormat = "int4" if mode == "int4" else "int8"
    exact = mode == "f32" or (mode == "auto" and parameters(checkpoint.config) <= SMALL_MODEL)

    def choose(sources: tuple[str, ...], inputs: int) -> tuple[WeightFormat, int]:
        codings = {checkpoint.coding(source) for source in sources}
        coded = {coding for coding in codings if coding is not None}
        if exact and not any(coding.only for coding in coded):
            return "f32", 1
        if not coded:
            return rounded, choose_block_size(inputs)
        block = min(coding.block for coding in coded)
        if codings == coded and all(coding.bits == 4 for coding in coded):
            return "int4", block
        # Eight bits can represent any of these codes; four would round 8-bit codes again.
        return ("int8" if any(coding.only for coding in coded) else rounded), block

    return choose


def _fill(
    checkpoint: Checkpoint, linears: list[LinearSpec], norms: list[TensorSpec], file: PackedFile, progress: Progress
) -> None:
    tensors = file.tensors
    total = sum(array.nbytes for array in tensors.values())
    done, lock = 0, threading.Lock()

    def report(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            progress("repacking weights", done, total)

    def embed() -> None:
        target: NDArray[Any] = tensors[EMBEDDING]
        if (scale := checkpoint.config.embedding_scale) == 1:
            target[...] = checkpoint.dense(EMBEDDING)
        else:
            np.multiply(checkpoint.dense(EMBEDDING), np.float32(scale), out=target, casting="same_kind")
        report(tensors[EMBEDDING].nbytes)

    def fill(linear: LinearSpec) -> None:
        pack_linear(checkpoint, linear, tensors)
        report(sum(spec.nbytes for spec in linear.tensors()))

    for norm in norms:
        tensors[norm.name][...] = checkpoint.dense(norm.name) + np.float32(checkpoint.config.block.norm_offset)
        report(norm.nbytes)
    jobs: list[Callable[[], None]] = [embed, *((lambda linear=linear: fill(linear)) for linear in linears)]
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for future in [pool.submit(job) for job in jobs]:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # one bad tensor fails the model
            raise


def pack_linear(checkpoint: Checkpoint, linear: LinearSpec, tensors: dict[str, NDArray[np.generic]]) -> None:
    """Write one (possibly fused) linear into its packed tensors."""
    start = 0
    biases = checkpoint.config.block.biases
    for source, width in zip(linear.sources, linear.out_features, strict=True):
        part = slice(start, start + width)
        start += width
        if linear.biased:
            has_bias = source.endswith(biases)
            tensors[linear.bias.name][part] = checkpoint.dense(f"{source}.bias") if has_bias else 0
        if linear.weight_format == "f32":
            tensors[f"{linear.name}.weight"][:, part] = checkpoint.dense(source).T
            continue
        targets: list[NDArray[Any]] = [tensors[spec.name][part] for spec in linear.weight_tensors()]
        weight = checkpoint.linear(source)
        if isinstance(weight, AwqLinear) and (linear.weight_format, linear.block) == ("int4", weight.group_size):
            pack_awq(weight, *targets)
            continue
        try:
            _pack_one(weight, linear, targets)
        except BadWeights as error:
            raise BadWeights(f"{source}: {error}") from error


def _pack_one(
    weight: NDArray[np.float32] | AwqLinear | BlockLinear, linear: LinearSpec, targets: list[NDArray[Any]]
) -> None:
    if isinstance(weight, AwqLinear):
        weight = unpack_awq(weight)
    if isinstance(weight, BlockLinear):
        if weight.bits <= linear.bits and weight.block % linear.block == 0:
            codes, scales, *zeros = targets
            pack_blocks(weight, linear.block, codes, scales, zeros[0] if zeros else None)
            return
        weight = dense_blocks(weight)
    quantized = [values for values in quantize(weight, linear.bits, linear.block) if values is not None]
    for target, values in zip(targets, quantized, strict=True):
        target[...] = values
