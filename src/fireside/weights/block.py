"""What one layer of a decoder is made of, apart from its sizes."""

from dataclasses import dataclass
from typing import Literal

Activation = Literal["silu", "gelu_tanh"]

LINEARS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
"""Names, within a layer, of its linears, in the order in which it runs them; a LoRA adapter may change any of them."""

QUERY_NORM, KEY_NORM = "self_attn.q_norm", "self_attn.k_norm"
"""Names, within a layer, of the gains that normalise each head's queries and keys."""


@dataclass(frozen=True, slots=True)
class Block:
    """RMSNorm, grouped-query attention with rotary halves, and a gated MLP; by default Llama's.

    The first four are names, within a layer, of RMSNorm gains [hidden]; None where there is no such norm.

    Args:
        after_attention: normalises what attention adds to the residual.
        after_mlp: the same for the MLP.
        qk_norms: whether each head's queries and keys are normalised before the rotary embedding: gains [head_dim].
        norm_offset: what is added to every stored gain.
        biases: linears, by name within a layer, that add a bias.
        activation: of the MLP's gate.
    """

    before_attention: str = "input_layernorm"
    after_attention: str | None = None
    before_mlp: str = "post_attention_layernorm"
    after_mlp: str | None = None
    qk_norms: bool = False
    norm_offset: float = 0.0
    biases: tuple[str, ...] = ()
    activation: Activation = "silu"

    @property
    def norms(self) -> tuple[str, ...]:
        """Names, within a layer, of the gains [hidden], in the order in which they are applied."""
        names = (self.before_attention, self.after_attention, self.before_mlp, self.after_mlp)
        return tuple(name for name in names if name is not None)


LLAMA_BLOCK = Block()
