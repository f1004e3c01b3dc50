"""GGUF headers: real files read as llama.cpp's own library reads them, lying ones are refused with a reason."""

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from fireside.errors import BadWeights, FiresideError, UnsupportedWeights
from fireside.weights.dequantise import GGML_TYPES, UNSUPPORTED_GGML_TYPES, GgmlType, dequantise, exact_codes
from fireside.weights.gguf import GgufFile, read_gguf
from support.gguf_files import entry, header, tensor, text

DATA = Path(__file__).parents[1] / "data"
U32, FLOAT, BOOL, STRING, ARRAY, U64 = 4, 6, 7, 8, 9, 10


def read(folder: Path, content: bytes) -> GgufFile:
    path = folder / "m.gguf"
    path.write_bytes(content)
    return read_gguf(path)


# The real file.


@pytest.fixture(scope="module")
def theirs(smollm2_gguf: Path) -> GGUFReader:
    with pytest.MonkeyPatch.context() as patch:
        # The library cuts its file into 200,000 slices; those of an ordinary array are much faster than a memmap's.
        patch.setattr(np, "memmap", lambda path, mode: np.fromfile(path, np.uint8))
        return GGUFReader(smollm2_gguf)


@pytest.fixture(scope="module")
def ours(smollm2_gguf: Path) -> GgufFile:
    return read_gguf(smollm2_gguf)


def test_the_real_files_metadata_is_as_the_gguf_library_reads_it(ours: GgufFile, theirs: GGUFReader) -> None:
    expected = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert ours.metadata.keys() == expected.keys()
    for key, value in expected.items():
        found = ours.metadata[key]
        assert (found.tolist() if isinstance(found, np.ndarray) else found) == value, key


def test_the_real_files_tensors_are_where_the_gguf_library_finds_them(ours: GgufFile, theirs: GGUFReader) -> None:
    expected = {
        tensor.name: (tuple(tensor.shape.tolist()[::-1]), tensor.tensor_type.name, tensor.data_offset)
        for tensor in theirs.tensors
    }
    assert {name: (tensor.shape, tensor.kind.name, tensor.offset) for name, tensor in ours.tensors.items()} == expected
    assert ours.header_size == theirs.data_offset


@pytest.mark.parametrize(
    "name", ["output_norm.weight", "blk.0.attn_q.weight", "blk.7.attn_k.weight", "blk.29.ffn_down.weight"]
)
def test_the_real_files_values_are_the_gguf_librarys(name: str, ours: GgufFile, theirs: GGUFReader) -> None:
    (tensor,) = (tensor for tensor in theirs.tensors if tensor.name == name)
    np.testing.assert_array_equal(ours.read(name), dequantize(tensor.data, tensor.tensor_type))


def test_a_tensor_that_is_not_there(ours: GgufFile) -> None:
    with pytest.raises(BadWeights, match=r"has no tensor output\.weight"):
        ours.read("output.weight")


# Dequantising.


@pytest.mark.parametrize(
    "kind", [kind for kind in GGML_TYPES.values() if kind.is_quantised], ids=lambda kind: kind.name
)
def test_blocks_that_ggml_wrote_have_the_values_that_ggml_reads(kind: GgmlType) -> None:
    stored = load_file(DATA / "ggml_blocks.safetensors")
    rows, expected = stored[f"{kind.name}.rows"], stored[f"{kind.name}.values"]
    found = dequantise(rows, kind)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    if kind.exact_bits:
        codes, scales = exact_codes(rows, kind)
        assert codes.min() >= -(1 << (kind.exact_bits - 1))
        assert codes.max() < 1 << (kind.exact_bits - 1)
        np.testing.assert_array_equal(codes.reshape(1, -1, 32) * scales[..., None], expected.reshape(1, -1, 32))


@pytest.mark.parametrize("name", ["F32", "F16", "BF16"])
def test_floats_are_as_stored(name: str) -> None:
    theirs = GGMLQuantizationType[name]
    values = np.random.default_rng(1).normal(0, 3, (8, 64)).astype(np.float32)
    stored = quantize(values, theirs)
    rows = stored.view(np.uint8).reshape(8, -1)
    np.testing.assert_array_equal(dequantise(rows, GGML_TYPES[theirs.value]), dequantize(stored, theirs))


@given(data=st.binary(min_size=256, max_size=256))
@pytest.mark.parametrize("kind", [kind for kind in GGML_TYPES.values() if kind.exact_bits], ids=lambda kind: kind.name)
def test_codes_of_any_bytes_are_exact_or_refused(data: bytes, kind: GgmlType) -> None:
    rows = np.frombuffer(data[: kind.block_bytes], np.uint8)[None]
    values = dequantise(rows, kind)
    try:
        codes, scales = exact_codes(rows, kind)
    except ValueError:
        assert not np.isfinite(values).all()
    else:
        np.testing.assert_array_equal((codes.reshape(1, -1, 32) * scales[..., None]).reshape(1, -1), values)


def test_the_type_tables_are_ggmls() -> None:
    named = {code: kind.name for code, kind in GGML_TYPES.items()} | UNSUPPORTED_GGML_TYPES
    newer = named.keys() - {kind.value for kind in GGMLQuantizationType}  # than the library
    assert {named.pop(code) for code in newer} <= {"Q2_0"}
    assert named == {code: GGMLQuantizationType(code).name for code in named}
    sizes = {
        GGMLQuantizationType(code): (kind.block_size, kind.block_bytes)
        for code, kind in GGML_TYPES.items()
        if code not in newer
    }
    assert sizes == {code: GGML_QUANT_SIZES[code] for code in sizes}


# Small headers.


def test_every_kind_of_value(tmp_path: Path) -> None:
    values = {
        "b": (0, "<B", 255), "c": (1, "<b", -1), "d": (2, "<H", 65535), "e": (3, "<h", -2), "f": (4, "<I", 2**32 - 1),
        "g": (5, "<i", -3), "h": (6, "<f", 0.5), "i": (7, "<?", True), "j": (10, "<Q", 2**64 - 1), "k": (11, "<q", -4),
        "l": (12, "<d", 0.1),
    }  # fmt: skip
    entries = [entry(key, kind, struct.pack(code, value)) for key, (kind, code, value) in values.items()]
    numbers = struct.pack("<IQ3H", 2, 3, 1, 2, 3)
    strings = struct.pack("<IQ", STRING, 2) + text("é") + text("")
    nested = struct.pack("<IQ", ARRAY, 2) + numbers + strings
    entries += [entry("s", STRING, text("▁")), entry("n", ARRAY, numbers), entry("t", ARRAY, strings)]
    file = read(tmp_path, header(metadata=(*entries, entry("u", ARRAY, nested))))
    assert {key: file.metadata[key] for key in values} == {key: value for key, (_, _, value) in values.items()}
    assert file.metadata["s"] == "▁"
    assert isinstance(file.metadata["n"], np.ndarray)
    assert file.metadata["n"].tolist() == [1, 2, 3]
    assert file.metadata["t"] == ["é", ""]
    nested_read: Any = file.metadata["u"]
    inner, other = nested_read
    assert (inner.tolist(), other) == ([1, 2, 3], ["é", ""])


@pytest.mark.parametrize("version", [2, 3])
def test_tensors_lie_after_the_header_at_the_files_alignment(version: int, tmp_path: Path) -> None:
    content = header(
        version=version,
        metadata=(entry("general.alignment", U32, struct.pack("<I", 64)),),
        tensors=(tensor("a", (2, 3), 0, 64), tensor("b", (4,), 0, 0)),
    )
    content += bytes(-len(content) % 64)
    content += np.arange(4, dtype="<f4").tobytes().ljust(64, b"\0") + np.arange(6, dtype="<f4").tobytes()
    file = read(tmp_path, content)
    np.testing.assert_array_equal(file.read("a"), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(file.read("b"), [0, 1, 2, 3])


# Lies.

A = tensor("a", (8,), 0, 0)
HUGE = 2**63


def value(kind: int, data: bytes, key: str | bytes = "k") -> bytes:
    return header(metadata=(entry(key, kind, data),))


def array(element: int, count: int, rest: bytes = b"") -> bytes:
    return value(ARRAY, struct.pack("<IQ", element, count) + rest)


def one(sizes: tuple[int, ...], kind: int = 0, offset: int = 0, data: int = 32) -> bytes:
    return header(tensors=(tensor("a", sizes, kind, offset),), data=data)


def two(name: str, size: int, offset: int) -> bytes:
    return header(tensors=(tensor("a", (size,), 0, 0), tensor(name, (8,), 0, offset)), data=64)


def length(number: int) -> bytes:
    return struct.pack("<Q", number)


LIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0 bytes are too few for a GGUF file"),
    "magic only": (b"GGUF", "4 bytes are too few"),
    "another kind of file": (header(magic=b"GGML"), "begins with b'GGML', so it is not a GGUF file"),
    "many tensors": (header(tensor_count=HUGE), f"tensor count is {HUGE}, more than the file can hold"),
    "many entries": (header(metadata_count=HUGE), f"metadata count is {HUGE}, more than the file can hold"),
    "too many tensors": (header(tensor_count=1 << 17, data=24 << 17), "tensor count is 131072, more than"),
    "one tensor more": (header(tensors=(A,), tensor_count=2, data=32), "tensor  has 0 dimensions"),
    "long key": (header(metadata=(length(HUGE) + bytes(16),)), f"metadata key 0 has {HUGE} bytes, more than"),
    "key past the end": (header(metadata=(length(1000) + bytes(16),)), "at metadata key 0; it seems truncated"),
    "key not UTF-8": (value(U32, bytes(4), b"\xff"), "metadata key 0 is not UTF-8"),
    "key twice": (header(metadata=(entry("k", U32, bytes(4)),) * 2), "metadata key k occurs twice"),
    "unknown type": (value(99, bytes(4)), "metadata k has an unknown type 99"),
    "unknown element": (array(99, 1, bytes(16)), "metadata k has an unknown type 99"),
    "long string": (value(STRING, length(HUGE)), f"k has {HUGE} bytes, more than"),
    "string past the end": (value(STRING, length(999)), "ends within its header, at k; it seems truncated"),
    "string not UTF-8": (value(STRING, text(b"\xff")), "k is not UTF-8"),
    "long array": (array(U64, HUGE), f"length of k is {HUGE}, more than the file can hold"),
    "array past the end": (array(U64, 9), "length of k is 9, more than the file can hold"),
    "long strings": (array(STRING, 1, length(HUGE)), "a string of k runs past the file's end"),
    "strings past the end": (array(STRING, 2, text("abcdefgh")).rstrip(b"\0"), "string 1 of k cannot be read"),
    "strings not UTF-8": (array(STRING, 1, text(b"\xff")), "string 0 of k cannot be read"),
    "nested too deep": (array(ARRAY, 1, struct.pack("<IQ", ARRAY, 1) * 50), "k is nested more than 3 deep"),
    "no alignment": (value(U32, bytes(4), "general.alignment"), "general.alignment is 0, not a power of two"),
    "odd alignment": (value(U32, struct.pack("<I", 48), "general.alignment"), "general.alignment is 48, not a power"),
    "worded alignment": (value(STRING, text("32"), "general.alignment"), "general.alignment is '32', not a power"),
    "no dimensions": (one(()), "tensor a has 0 dimensions, not 1 to 4"),
    "many dimensions": (one((1,) * 5), "tensor a has 5 dimensions, not 1 to 4"),
    "no rows": (one((8, 0)), "tensor a has shape [0, 8], which cannot fit the file"),
    "huge rows": (one((8, HUGE)), f"tensor a has shape [{HUGE}, 8], which cannot fit the file"),
    "huge product": (one((64,) * 4, data=512), "tensor a ends at byte"),
    "broken blocks": (one((33,), kind=2, data=64), "rows of 33, not a multiple of Q4_0's 32"),
    "unknown tensor type": (one((8,), kind=200), "tensor a has an unknown type 200"),
    "odd offset": (one((8,), offset=4, data=64), "tensor a has offset 4, not a multiple of 32"),
    "offset past the end": (one((8,), offset=64), "tensor a ends at byte"),
    "huge offset": (one((8,), offset=2**64 - 32), "tensor a ends at byte"),
    "size past the end": (one((9,)), "it seems truncated"),
    "overlap": (two("b", 16, 32), "tensors a and b overlap"),
    "same place": (two("b", 8, 0), "tensors a and b overlap"),
    "tensor twice": (two("a", 8, 32), "tensor a occurs twice"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(lie: str, tmp_path: Path) -> None:
    content, why = LIES[lie]
    with pytest.raises(BadWeights) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith("m.gguf: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (header(version=1), "GGUF version 1; Fireside reads versions 2 and 3"),
        (header(version=4), "GGUF version 4"),
        (header(version=3 << 24), "a big-endian GGUF file"),
        (one((256,), kind=15, data=320), "tensor a has type Q8_K; Fireside reads F32, F16, BF16, Q4_0"),
    ],
)
def test_forms_that_are_not_read(content: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedWeights, match=rf"m\.gguf: .*{why}"):
        read(tmp_path, content)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"m\.gguf: cannot be read"):
        read_gguf(tmp_path / "m.gguf")


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    content = header(tensors=(A,), data=32)
    file = read(tmp_path, content)
    (tmp_path / "m.gguf").write_bytes(content[:-1])
    with pytest.raises(BadWeights, match=f"had {len(content)} bytes when it was opened and has {len(content) - 1} now"):
        file.read("a")


# Any damage.

SOUND = header(
    metadata=(
        entry("general.architecture", STRING, text("llama")),
        entry("general.alignment", U32, struct.pack("<I", 32)),
        entry("tokens", ARRAY, struct.pack("<IQ", STRING, 3) + text("a") + text("é") + text("")),
        entry("scores", ARRAY, struct.pack("<IQ4f", FLOAT, 4, 1, 2, 3, 4)),
        entry("nested", ARRAY, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQ?", BOOL, 1, True)),
    ),
    tensors=(tensor("a", (32, 2), 2, 0), tensor("b", (8, 2), 1, 64), tensor("c", (4,), 0, 96)),
    data=112,
)


@settings(max_examples=200, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, len(SOUND) - 113), st.integers(1, 255)), max_size=4),
    length=st.one_of(st.just(len(SOUND)), st.integers(0, len(SOUND))),
)
def test_damage_raises_nothing_but_our_errors_and_takes_no_memory(
    flips: list[tuple[int, int]], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(SOUND)
    for position, bits in flips:
        content[position] ^= bits
    tracemalloc.start()
    try:
        file = read(tmp_path_factory.getbasetemp(), bytes(content[:length]))
        for name, found in file.tensors.items():
            assert file.read(name).shape == found.shape
    except FiresideError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1 << 20
