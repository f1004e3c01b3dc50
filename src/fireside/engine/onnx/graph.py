"""Builds the decoder as one ONNX graph.

Shapes: B rows in the batch, S new tokens per row, W slots of the KV cache, T positions per slot.

Operators of `com.microsoft` (ONNX Runtime's ContribOperators.md) do the heavy work: MatMulNBits the quantised products,
GroupQueryAttention rotary embedding, cache update and attention. Weights are external initializers, passed as memory
when the session is created; the graph itself is small.
"""

import onnx
from onnx import TensorProto, helper

from fireside.engine.onnx.layout import KINDS, LinearSpec, TensorSpec
from fireside.engine.onnx.rotary import layer_tables, table_names
from fireside.weights.block import KEY_NORM, QUERY_NORM
from fireside.weights.checkpoint import ModelConfig

CONTRIB = "com.microsoft"
FLOAT_ARITHMETIC = 1
INT8_ARITHMETIC = 4

_ELEMENT = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}


class _Graph:
    """Collects nodes, inputs and external initializers."""

    def __init__(self, exact: bool, lora: bool) -> None:
        self.exact = exact
        self.lora = lora
        self.inputs: list[onnx.ValueInfoProto] = []
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def external(self, spec: TensorSpec) -> str:
        """Add an initializer whose bytes are supplied later, by name."""
        tensor = onnx.TensorProto(name=spec.name, data_type=_ELEMENT[spec.dtype.name], dims=spec.shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="memory")
        tensor.external_data.add(key="offset", value="0")
        tensor.external_data.add(key="length", value=str(spec.nbytes))
        self.initializers.append(tensor)
        return spec.name

    def constant(self, name: str, values: list[int]) -> str:
        self.initializers.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    def linear(self, spec: LinearSpec, source: str) -> str:
        """A product without adapters, [B, S, K] to [B, S, N]."""
        names = [self.external(tensor) for tensor in spec.weight_tensors()]
        output = f"{spec.name}.out"
        if spec.weight_format == "f32":
            product = self.node("MatMul", [source, *names], [output])
            if not spec.biased:
                return product
            return self.node("Add", [product, self.external(spec.bias)], [f"{spec.name}.biased"])
        if spec.biased:
            names += [""] * (4 - len(names)) + [self.external(spec.bias)]
        return self.node(
            "MatMulNBits",
            [source, *names],
            [output],
            CONTRIB,
            K=spec.in_features,
            N=spec.total_out_features,
            bits=spec.bits,
            block_size=spec.block,
            accuracy_level=FLOAT_ARITHMETIC if self.exact else INT8_ARITHMETIC,
        )

    def norm(self, source: str, gain: str, name: str, epsilon: float) -> str:
        """Add an RMSNorm over the last axis."""
        return self.node("SimplifiedLayerNormalization", [source, gain], [name], axis=-1, epsilon=epsilon)

    def adapted_linear(self, spec: LinearSpec, source: str) -> str:
        """A product, [B, S, K] to [B, S, N], with adapters if the graph has them; see `fireside.engine.onnx.lora`."""
        base = self.linear(spec, source)
        if not self.lora:
            return base
        kind = spec.name.rpartition(".")[2]
        a, b = f"{spec.name}.lora_a", f"{spec.name}.lora_b"
        self.inputs.append(helper.make_tensor_value_info(a, TensorProto.FLOAT, [f"R.{kind}", spec.in_features]))
        self.inputs.append(helper.make_tensor_value_info(b, TensorProto.FLOAT, [f"R.{kind}", spec.total_out_features]))
        down = self.node("FusedMatMul", [source, a], [f"{spec.name}.lora_down"], CONTRIB, transB=1)
        masked = self.node("Mul", [down, f"lora_mask.{kind}"], [f"{spec.name}.lora_masked"])
        up = self.node("MatMul", [masked, b], [f"{spec.name}.lora_up"])
        return self.node("Add", [base, up], [f"{spec.name}.adapted"])


def build_graph(
    config: ModelConfig,
    linears: list[list[LinearSpec]],
    head: LinearSpec,
    norms: list[TensorSpec],
    *,
    exact: bool,
    lora: bool,
) -> bytes:
    """Build the model and return it serialised.

    Inputs: "embeds" float32 [B, S, hidden]; "past" int32 [W], the number of tokens in each slot after this step, minus
    one; "total" int32 [], the largest of those plus one; "last" int64 [L], the positions in S whose logits are wanted;
    "slot_of_row" int64 [B] and "row_of_slot" int64 [W], which slot belongs to which row (any row for an unused slot);
    "k.N" and "v.N" float32 [W, kv_heads, T, head_dim]; the tables of `rotary_tables`. Outputs: "logits" float32
    [B, L, vocab]; "new_k.N" and "new_v.N", to be bound to the memory of the inputs.

    Args:
        linears: the four products of each layer, in the order of `layout.layer_linears`.
        exact: whether quantised products use float32 arithmetic.
        lora: whether there are inputs for adapters: "LINEAR.lora_a" float32 [R, K] and "LINEAR.lora_b" float32 [R, N]
            for each linear of the layers, "lora_mask.KIND" float32 [B, 1, R] for each kind of linear.
    """
    graph = _Graph(exact, lora)
    block, epsilon = config.block, config.norm_eps
    for spec in norms:
        graph.external(spec)
    kv_shape = ["W", config.kv_heads, "T", config.head_dim]
    graph.inputs += [
        helper.make_tensor_value_info("embeds", TensorProto.FLOAT, ["B", "S", config.hidden_size]),
        helper.make_tensor_value_info("past", TensorProto.INT32, ["W"]),
        helper.make_tensor_value_info("total", TensorProto.INT32, []),
        helper.make_tensor_value_info("last", TensorProto.INT64, ["L"]),
        helper.make_tensor_value_info("slot_of_row", TensorProto.INT64, ["B"]),
        helper.make_tensor_value_info("row_of_slot", TensorProto.INT64, ["W"]),
    ]
    for table in table_names(config):
        graph.inputs.append(helper.make_tensor_value_info(table, TensorProto.FLOAT, ["T", config.head_dim // 2]))
    if lora:
        for kind in KINDS:
            graph.inputs.append(
                helper.make_tensor_value_info(f"lora_mask.{kind}", TensorProto.FLOAT, ["B", 1, f"R.{kind}"])
            )
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", "L", config.vocab_size])]
    graph.constant("halves", [config.intermediate_size, config.intermediate_size])
    if block.qk_norms:
        graph.constant("parts", [config.heads * config.head_dim, *[config.kv_heads * config.head_dim] * 2])
        graph.constant("by_head", [0, 0, -1, config.head_dim])
        graph.constant("joined", [0, 0, -1])
    residual = "embeds"
    normed = graph.norm("embeds", f"layers.0.{block.before_attention}", "norm.0", epsilon)
    for layer in range(config.layers):
        for side in ("k", "v"):
            graph.inputs.append(helper.make_tensor_value_info(f"{side}.{layer}", TensorProto.FLOAT, kv_shape))
            outputs.append(helper.make_tensor_value_info(f"new_{side}.{layer}", TensorProto.FLOAT, kv_shape))
        qkv, o, gate_up, down = linears[layer]
        attended = graph.adapted_linear(o, _attention(graph, config, layer, graph.adapted_linear(qkv, normed)))
        if block.after_attention:
            gain = f"layers.{layer}.{block.after_attention}"
            attended = graph.norm(attended, gain, f"norm.{layer}.after_attention", epsilon)
        gain = f"layers.{layer}.{block.before_mlp}"
        normed, residual = _add_and_norm(graph, config, attended, residual, gain, f"{layer}.attention")
        fed = graph.adapted_linear(down, _gated(graph, config, layer, graph.adapted_linear(gate_up, normed)))
        if block.after_mlp:
            fed = graph.norm(fed, f"layers.{layer}.{block.after_mlp}", f"norm.{layer}.after_mlp", epsilon)
        gain = f"layers.{layer + 1}.{block.before_attention}" if layer + 1 < config.layers else "norm"
        normed, residual = _add_and_norm(graph, config, fed, residual, gain, f"{layer}.mlp")
    final = graph.node("Gather", [normed, "last"], ["final"], axis=1)
    graph.node("Identity", [graph.linear(head, final)], ["logits"])
    proto = helper.make_graph(graph.nodes, "decoder", graph.inputs, outputs, graph.initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)]
    model: bytes = helper.make_model(proto, opset_imports=opsets, ir_version=10).SerializeToString()
    return model


def _attention(graph: _Graph, config: ModelConfig, layer: int, qkv: str) -> str:
    window = config.window(layer)
    attributes: dict[str, object] = {} if config.attention_scale is None else {"scale": config.attention_scale}
    # Products run over the rows of the batch, attention over the slots, which are adjacent in the cache.
    by_slot = graph.node("Gather", [qkv, "row_of_slot"], [f"qkv.{layer}"], axis=0)
    graph.node(
        "GroupQueryAttention",
        [
            *(_normed_heads(graph, config, layer, by_slot) if config.block.qk_norms else (by_slot, "", "")),
            f"k.{layer}",
            f"v.{layer}",
            "past",
            "total",
            *layer_tables(config, layer),
        ],
        [f"attention.{layer}", f"new_k.{layer}", f"new_v.{layer}"],
        CONTRIB,
        num_heads=config.heads,
        kv_num_heads=config.kv_heads,
        do_rotary=1,
        rotary_interleaved=0,
        local_window_size=window if window and window < config.context_length else -1,
        **attributes,
    )
    return graph.node("Gather", [f"attention.{layer}", "slot_of_row"], [f"attended.{layer}"], axis=0)


def _normed_heads(graph: _Graph, config: ModelConfig, layer: int, qkv: str) -> tuple[str, str, str]:
    """Split queries, keys and values, and normalise each head's queries and keys.

    The attention operator can do this itself only on GPUs.
    """
    q, k, v = (f"{side}.raw.{layer}" for side in "qkv")
    graph.node("Split", [qkv, "parts"], [q, k, v], axis=-1)
    normed = []
    for source, name in ((q, QUERY_NORM), (k, KEY_NORM)):
        heads = graph.node("Reshape", [source, "by_head"], [f"{source}.heads"])
        heads = graph.norm(heads, f"layers.{layer}.{name}", f"{source}.normed", config.norm_eps)
        normed.append(graph.node("Reshape", [heads, "joined"], [f"{source}.joined"]))
    return normed[0], normed[1], v


def _gated(graph: _Graph, config: ModelConfig, layer: int, gate_up: str) -> str:
    gate, up = f"gate.{layer}", f"up.{layer}"
    graph.node("Split", [gate_up, "halves"], [gate, up], axis=-1)
    if config.block.activation == "gelu_tanh":
        return graph.node("Mul", [graph.node("FastGelu", [gate], [f"gelu.{layer}"], CONTRIB), up], [f"geglu.{layer}"])
    # QuickGelu with alpha 1 is x * sigmoid(x): SiLU in one pass.
    silu = graph.node("QuickGelu", [gate], [f"silu.{layer}"], CONTRIB, alpha=1.0)
    return graph.node("Mul", [silu, up], [f"swiglu.{layer}"])


def _add_and_norm(graph: _Graph, config: ModelConfig, new: str, residual: str, gain: str, name: str) -> tuple[str, str]:
    normed, total = f"norm.{name}", f"residual.{name}"
    graph.node(
        "SkipSimplifiedLayerNormalization",
        [new, residual, gain],
        [normed, "", "", total],
        CONTRIB,
        epsilon=config.norm_eps,
    )
    return normed, total
