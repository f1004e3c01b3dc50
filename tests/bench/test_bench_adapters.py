"""Adapters for the benchmark: both files hold the same adapter, and Fireside's turn runs them for real."""

import os
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from bench.adapter_files import adapter_bytes, write_adapter, write_gguf_adapter
from bench.adapters import DISTINCT, RANKS, AdapterWork, FiresideAdapters, adapter_rows
from bench.awq_checkpoint import write_awq
from bench.report import rounds_table
from bench.rounds import run_rounds
from rich.console import Console

from fireside.weights.adapter import check_fits, read_adapter
from support import bench_models

TINY = replace(bench_models.TINY, vocab_size=32002, context_length=2048)
"""Prompts are random ids below that."""


def test_both_files_hold_the_same_adapter(tmp_path: Path) -> None:
    write_adapter(tmp_path / "peft", TINY, 4, seed=1)
    write_gguf_adapter(tmp_path / "adapter.gguf", TINY, 4, seed=1)
    files = read_adapter(tmp_path / "peft")
    check_fits(files, TINY)
    assert {module.rank for module in files.modules} == {4}
    reader = gguf.GGUFReader(tmp_path / "adapter.gguf")
    stored = {tensor.name: tensor for tensor in reader.tensors}
    assert len(stored) == 2 * len(files.modules) == 2 * 7 * TINY.layers
    down = stored["blk.1.ffn_down.weight.lora_b"]
    key = "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight"
    assert np.array_equal(np.asarray(down.data, np.float32), files.tensor(key))
    weights = tmp_path / "peft" / "adapter_model.safetensors"
    assert adapter_bytes(TINY, 4) <= weights.stat().st_size < 2 * adapter_bytes(TINY, 4)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="needs a way to drop a file from the cache")
def test_a_turn_measures_every_rank_and_mix(tmp_path: Path) -> None:
    write_awq(tmp_path / "base", TINY, 32)
    work = AdapterWork(tmp_path, TINY, tokens=2, threads=1)
    results = run_rounds([FiresideAdapters(tmp_path, tmp_path / "base")], work, 1)
    assert results.absent == {}
    turn = results.turns["Fireside"][0]
    assert set(turn.rates) == {(rank, distinct) for rank in RANKS for distinct in DISTINCT}
    assert all(rate > 0 for rate in turn.rates.values())
    assert set(turn.first_use) == {(rank, cached) for rank in RANKS for cached in (False, True)}
    console = Console(width=120, record=True)
    console.print(rounds_table("adapters", results, ["Fireside"], adapter_rows()))
    assert "rank 32, 8 adapters (tokens/s)" in console.export_text()
