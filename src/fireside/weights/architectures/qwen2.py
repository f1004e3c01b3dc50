"""Qwen 2 and 2.5, and what is trained from them, such as QwQ and DeepSeek's R1 distillations: Llama with biases on
queries, keys and values (Qwen2 technical report, 2024)."""

from fireside.weights.architectures.architecture import PLAIN, QKV, Architecture
from fireside.weights.block import Block
from fireside.weights.hf_layers import with_qwen_window

ARCHITECTURE = Architecture(
    title="Qwen 2, Qwen 2.5",
    hf_class="Qwen2ForCausalLM",
    model_type="qwen2",
    gguf="qwen2",
    block=Block(biases=QKV),
    # The key does not switch the biases, which are always there; some files have it anyway.
    accepted={**PLAIN, "attention_bias": (True,)},
    defaults={"sliding_window": 4096, "max_window_layers": 28},
    from_hf=with_qwen_window,
)
