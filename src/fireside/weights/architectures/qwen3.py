"""Qwen 3, dense: each head's queries and keys are normalised (Qwen3 technical report, 2025)."""

from fireside.weights.architectures.architecture import Architecture
from fireside.weights.block import Block
from fireside.weights.hf_layers import with_qwen_window

ARCHITECTURE = Architecture(
    title="Qwen 3",
    hf_class="Qwen3ForCausalLM",
    model_type="qwen3",
    gguf="qwen3",
    block=Block(qk_norms=True),
    defaults={"head_dim": 128, "sliding_window": 4096, "max_window_layers": 28},
    from_hf=with_qwen_window,
)
