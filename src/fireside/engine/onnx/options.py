"""Options of the embedded engine."""

from typing import Annotated, Literal

from msgspec import Meta

from fireside.engine.options import EngineOptions

WeightsMode = Literal["auto", "int8", "int4", "f32"]

Bytes = Annotated[int, Meta(ge=0)]


class OnnxOptions(EngineOptions, frozen=True, kw_only=True):
    """Options of the embedded engine.

    Args:
        threads: number of compute threads; 0 means one per core.
        kv_memory: maximum bytes of the KV cache; 0 means a quarter of the machine's memory.
        weights: format of f32/f16/bf16 weights in memory; "auto" means int8, or f32 for small models, and keeps 4-bit
            codes as they are.
        exact: whether quantised matmuls use float32 arithmetic instead of int8 (slow; for comparison with other
            software).
        adapter_memory: maximum bytes of LoRA adapters; 0 means no adapters.
    """

    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    kv_memory: Bytes = 0
    weights: WeightsMode = "auto"
    exact: bool = False
    adapter_memory: Bytes = 0
