"""Packing for MatMulNBits: AWQ codes bit by bit, and products as ONNX Runtime itself computes them."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from fireside.errors import BadWeights, UnsupportedWeights
from fireside.weights.checkpoint import AwqLinear
from fireside.weights.nbits import choose_block_size, pack_awq, quantize
from support.awq import AwqTensors, pack_awq_words, quantise_awq

Packed = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]


def unpack(packed: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The first `count` codes of the last axis, two a byte, the low nibble first."""
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)[..., :count]


def pack(linear: AwqLinear) -> Packed:
    """`pack_awq` into arrays full of rubbish, so that what it does not write is seen."""
    inputs, outputs = linear.qweight.shape[0], linear.qweight.shape[1] * 8
    groups = inputs // linear.group_size
    codes = np.full((outputs, groups, linear.group_size // 2), 0xA5, np.uint8)
    scales = np.full((outputs, groups), np.nan, np.float32)
    zeros = np.full((outputs, (groups + 1) // 2), 0xA5, np.uint8)
    pack_awq(linear, codes, scales, zeros)
    return codes, scales, zeros


def as_linear(tensors: AwqTensors, group: int) -> AwqLinear:
    return AwqLinear(tensors.qweight, tensors.qzeros, tensors.scales, group)


def random_awq(outputs: int, inputs: int, group: int, seed: int = 0) -> AwqTensors:
    return quantise_awq(np.random.default_rng(seed).normal(0, 1, (outputs, inputs)).astype(np.float32), group)


def matmul_nbits(
    x: NDArray[np.float32],
    codes: NDArray[np.uint8],
    scales: NDArray[np.float32],
    zeros: NDArray[np.uint8] | None,
    bits: int,
    block: int,
) -> NDArray[np.float32]:
    """The product by ONNX Runtime's own operator, in its exact (float32) mode."""
    outputs, inputs = codes.shape[0], x.shape[1]
    packed: dict[str, NDArray[Any]] = {"codes": codes, "scales": scales}
    if zeros is not None:
        packed["zeros"] = zeros
    node = helper.make_node(
        "MatMulNBits", ["x", *packed], ["y"], domain="com.microsoft",
        K=inputs, N=outputs, bits=bits, block_size=block, accuracy_level=1,
    )  # fmt: skip
    kinds = {"codes": TensorProto.UINT8, "scales": TensorProto.FLOAT, "zeros": TensorProto.UINT8}
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, outputs])],
        [
            helper.make_tensor(name, kinds[name], array.shape, array.tobytes(), raw=True)
            for name, array in packed.items()
        ],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (y,) = session.run(["y"], {"x": x})
    return np.asarray(y)


def inputs_for(weight: NDArray[np.float32], rows: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(7).normal(0, 1, (rows, weight.shape[1])).astype(np.float32)


# AWQ.


@pytest.mark.parametrize(
    ("outputs", "inputs", "group"),
    [
        (8, 32, 32), (8, 128, 128), (24, 96, 32), (40, 320, 64), (16, 384, 128), (136, 64, 16), (8, 256, 256),
        (2056, 32, 32), (8, 1056, 32),  # more than one tile
    ],
)  # fmt: skip
def test_awq_codes_scales_and_zeros_are_bit_exact(outputs: int, inputs: int, group: int) -> None:
    rng = np.random.default_rng(outputs)
    codes = rng.integers(0, 16, (inputs, outputs), np.uint8)
    zeros = rng.integers(0, 16, (inputs // group, outputs), np.uint8)
    scales = rng.normal(0, 1, zeros.shape).astype(np.float16)
    packed, found_scales, found_zeros = pack(AwqLinear(pack_awq_words(codes), pack_awq_words(zeros), scales, group))
    np.testing.assert_array_equal(unpack(packed.reshape(outputs, -1), inputs), codes.T)
    np.testing.assert_array_equal(found_scales, scales.T.astype(np.float32))
    np.testing.assert_array_equal(unpack(found_zeros, inputs // group), zeros.T)


def test_an_odd_number_of_groups_is_padded_with_zero() -> None:
    _, _, zeros = pack(as_linear(random_awq(8, 96, 32), 32))
    assert not (zeros[:, -1] >> 4).any()


@pytest.mark.parametrize("group", [16, 32, 64, 128, 256])
@pytest.mark.parametrize(("outputs", "groups"), [(8, 1), (24, 3)])
def test_onnx_runtimes_product_of_packed_awq_is_the_dense_one(outputs: int, groups: int, group: int) -> None:
    tensors = random_awq(outputs, groups * group, group)
    x = inputs_for(tensors.weight)
    found = matmul_nbits(x, *pack(as_linear(tensors, group)), bits=4, block=group)
    np.testing.assert_allclose(found, x @ tensors.weight.T, rtol=1e-4, atol=1e-3)


def test_packing_into_a_part_of_a_larger_array() -> None:
    # A fused linear (q, k and v in one) is filled row range by row range.
    first, second = random_awq(16, 64, 32, seed=1), random_awq(8, 64, 32, seed=2)
    codes, scales, zeros = np.zeros((24, 2, 16), np.uint8), np.zeros((24, 2), np.float32), np.zeros((24, 1), np.uint8)
    pack_awq(as_linear(first, 32), codes[:16], scales[:16], zeros[:16])
    pack_awq(as_linear(second, 32), codes[16:], scales[16:], zeros[16:])
    x = inputs_for(first.weight)
    both = np.concatenate([first.weight, second.weight])
    np.testing.assert_allclose(matmul_nbits(x, codes, scales, zeros, 4, 32), x @ both.T, rtol=1e-4, atol=1e-3)


def test_outputs_of_the_wrong_shape() -> None:
    linear = as_linear(random_awq(16, 64, 32), 32)
    good = np.zeros((16, 2, 16), np.uint8), np.zeros((16, 2), np.float32), np.zeros((16, 1), np.uint8)
    strided = np.zeros((16, 2, 32), np.uint8)[:, :, ::2]
    wrong = (good[0][:8], *good[1:]), (good[0], good[1][:, :1], good[2]), (*good[:2], good[2][:8]), (strided, *good[1:])
    for outputs in wrong:
        with pytest.raises(ValueError, match="the linear needs"):
            pack_awq(linear, *outputs)


# Rounding.


def restore(
    packed: tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8] | None], bits: int
) -> NDArray[np.float32]:
    """The weight [out, in] that the packed tensors stand for, by the operator's documentation."""
    codes, scales, zeros = packed
    values = codes if bits == 8 else unpack(codes, codes.shape[-1] * 2)
    points = np.full(scales.shape, 128) if zeros is None else unpack(zeros, scales.shape[1])
    return (
        ((values.astype(np.float32) - points[..., None]) * scales[..., None]).reshape(len(codes), -1).astype(np.float32)
    )


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    ("outputs", "inputs", "block"), [(7, 32, 32), (13, 96, 32), (5, 192, 64), (3, 384, 128), (600, 512, 64)]
)
def test_rounding_is_to_the_nearest_code(bits: int, outputs: int, inputs: int, block: int) -> None:
    weight = np.random.default_rng(3).normal(0, 1, (outputs, inputs)).astype(np.float32)
    weight[0, :block] = 0
    weight[-1] = np.abs(weight[-1]) + 1  # one-sided
    codes, scales, zeros = quantize(weight, bits, block)
    assert codes.shape == (outputs, inputs // block, block * bits // 8)
    assert scales.shape == (outputs, inputs // block)
    assert (zeros is None) == (bits == 8)
    # With four bits the rounded zero point can cost the outermost value up to half a step more.
    step = scales.repeat(block, axis=1) * (0.5 if bits == 8 else 1.0)
    restored = restore((codes, scales, zeros), bits)
    assert (np.abs(restored - weight) <= step * 1.001 + 1e-12).all()
    assert (restored[0, :block] == 0).all()


@pytest.mark.parametrize(("bits", "error"), [(8, 0.01), (4, 0.15)])
@pytest.mark.parametrize(("outputs", "inputs", "block"), [(9, 32, 32), (16, 192, 64), (33, 384, 128)])
def test_onnx_runtimes_product_of_a_rounded_weight(
    bits: int, error: float, outputs: int, inputs: int, block: int
) -> None:
    weight = np.random.default_rng(5).normal(0, 1, (outputs, inputs)).astype(np.float32)
    packed = quantize(weight, bits, block)
    x = inputs_for(weight)
    found = matmul_nbits(x, *packed, bits=bits, block=block)
    np.testing.assert_allclose(found, x @ restore(packed, bits).T, rtol=1e-4, atol=1e-3)
    exact = x @ weight.T
    assert np.linalg.norm(found - exact) <= error * np.linalg.norm(exact)


def test_a_weight_is_rounded_the_same_in_one_piece_and_in_many() -> None:
    # Long weights are rounded chunk by chunk.
    weight = np.random.default_rng(6).normal(0, 1, (5000, 128)).astype(np.float32)
    for bits in (4, 8):
        whole = quantize(weight, bits, 32)
        rows = [quantize(weight[i : i + 1], bits, 32) for i in (0, 2047, 2048, 4999)]
        for i, row in zip((0, 2047, 2048, 4999), rows, strict=True):
            for all_rows, one in zip(whole, row, strict=True):
                if one is not None and all_rows is not None:
                    np.testing.assert_array_equal(all_rows[i], one[0])


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=32, max_size=32), bits=st.sampled_from([4, 8])
)
def test_any_finite_weight(values: list[float], bits: int) -> None:
    weight = np.array([values], np.float32)
    packed = quantize(weight, bits, 32)
    assert np.isfinite(packed[1]).all()
    # Blocks whose scale is too small to divide by are taken for zeros.
    assert (np.abs(restore(packed, bits).astype(np.float64) - weight) <= packed[1].max() * 1.001 + 2e-36).all()


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_block_too_wide_for_float32() -> None:
    weight = np.array([[3e38, -3e38] * 16], np.float32)
    with pytest.raises(BadWeights, match="too large to quantise"):
        quantize(weight, 4, 32)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_values_that_are_no_numbers(bits: int, value: float) -> None:
    weight = np.ones((3, 64), np.float32)
    weight[2, 40] = value
    with pytest.raises(BadWeights, match="infinite, not a number, or too large to quantise"):
        quantize(weight, bits, 32)


def test_a_width_that_blocks_do_not_divide() -> None:
    with pytest.raises(UnsupportedWeights, match="input width 100 cannot be cut into blocks of 32"):
        quantize(np.ones((2, 100), np.float32), 8, 32)


@pytest.mark.parametrize(
    ("width", "block"),
    [(32, 32), (576, 32), (1536, 32), (2048, 128), (4096, 128), (14336, 128), (2112, 64), (2080, 32)],
)
def test_the_chosen_block_size(width: int, block: int) -> None:
    assert choose_block_size(width) == block


@pytest.mark.parametrize("width", [1, 100, 2050])
def test_no_block_size(width: int) -> None:
    with pytest.raises(UnsupportedWeights, match=f"input width {width} cannot be cut into blocks of 32, 64 or 128"):
        choose_block_size(width)
