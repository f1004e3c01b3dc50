"""What the embedded engine is told."""

from typing import Annotated, Literal

from msgspec import Meta

from fireside.engine.options import EngineOptions

WeightsMode = Literal["auto", "int8", "int4", "f32"]

Bytes = Annotated[int, Meta(ge=0)]


class OnnxOptions(EngineOptions, frozen=True, kw_only=True):
    """What the embedded engine is told.

    Args:
        threads: arithmetic threads; 0 is one per core.
        kv_memory: most bytes of KV cache; 0 is a quarter of the machine's memory.
        weights: how f32/f16/bf16 weights are held; "auto" is 4-bit codes as they are, else int8, or f32 for small
            models.
        exact: float32 arithmetic in quantised matmuls instead of int8 (slow; for comparing with other software).
        adapter_memory: most bytes of LoRA adapters; 0 is a model without them.
    """

    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    kv_memory: Bytes = 0
    weights: WeightsMode = "auto"
    exact: bool = False
    adapter_memory: Bytes = 0
