"""Options of the vLLM engine."""

from typing import Annotated, Literal

from msgspec import Meta

from fireside.engine.options import EngineOptions

Dtype = Literal["auto", "bfloat16", "float16", "float32"]
Parallel = Annotated[int, Meta(ge=1, le=64)]
Fraction = Annotated[float, Meta(gt=0, le=1)]


class VllmOptions(EngineOptions, frozen=True, kw_only=True):
    """Options of the vLLM engine. Names that vLLM has, too, mean what they mean there.

    Args:
        python: the interpreter of the environment that vLLM is installed in.
        dtype: of weights and activations; "auto" is the checkpoint's own.
        quantization: vLLM's name of a method; "" is the checkpoint's own. "fp8" quantises while loading.
        kv_cache_dtype: "auto" is that of the activations; "fp8" halves the KV cache.
        tensor_parallel_size: GPUs that share each layer.
        pipeline_parallel_size: groups of GPUs that each hold some of the layers.
        gpu_memory_utilization: part of a GPU's memory that this model may fill.
        kv_memory: maximum bytes of KV cache per GPU; 0 is what `gpu_memory_utilization` leaves, and on the CPU a
            quarter of the machine's memory.
        max_num_batched_tokens: maximum tokens in one step; 0 leaves it to vLLM.
        block_size: tokens in a block of the KV cache, the unit of prefix caching; 0 leaves it to vLLM.
        enforce_eager: neither torch.compile nor CUDA graphs: loads a minute sooner and runs slower.
        exact: batch invariance: an answer's bits do not depend on what else runs. Slower; needs compute capability 8.0.
        max_loras: adapters that one step may use; 0 is a model without adapters.
        max_lora_rank: maximum rank of an adapter.
        threads: compute threads on the CPU; 0 is one per core.
    """

    python: str = ""
    dtype: Dtype = "auto"
    quantization: str = ""
    kv_cache_dtype: str = "auto"
    tensor_parallel_size: Parallel = 1
    pipeline_parallel_size: Parallel = 1
    gpu_memory_utilization: Fraction = 0.9
    kv_memory: Annotated[int, Meta(ge=0)] = 0
    max_num_batched_tokens: Annotated[int, Meta(ge=0, le=1 << 20)] = 0
    block_size: Annotated[int, Meta(ge=0, le=1024)] = 0
    enforce_eager: bool = False
    exact: bool = False
    max_loras: Annotated[int, Meta(ge=0, le=256)] = 0
    max_lora_rank: Annotated[int, Meta(ge=1, le=512)] = 32
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
