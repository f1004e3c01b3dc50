"""Models of the benchmark, but tiny."""

from fireside.weights.checkpoint import ModelConfig

TINY = ModelConfig(
    vocab_size=290,
    hidden_size=64,
    intermediate_size=96,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=16,
    context_length=128,
    rope_theta=10000.0,
    norm_eps=1e-5,
    sliding_window=64,
)
