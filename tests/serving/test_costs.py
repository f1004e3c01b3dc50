"""What a model costs is told before it is fetched, and what cannot fit is refused with numbers."""

import shutil
from pathlib import Path

import pytest

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import Unavailable
from fireside.errors import DownloadFailed
from fireside.serving import costs
from fireside.serving.costs import check_fits, cost_of, cost_text
from fireside.settings import Settings

MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"


def test_every_built_in_model_has_all_its_costs(tmp_path: Path) -> None:
    for spec in Catalog.load().all():
        cost = cost_of(spec, tmp_path)
        if isinstance(spec.source, Unavailable):
            assert (cost.download, cost.disk, cost.memory, cost_text(cost)) == (None, None, None, "")
            continue
        assert None not in (cost.download, cost.disk, cost.memory), spec.id
        assert "GB of memory" in cost_text(cost)


def test_the_width_of_heads_counts(tmp_path: Path) -> None:
    spec = Catalog.load().get(MISTRAL)
    wider = spec.architecture.model_copy(update={"head_dim": 256})
    plain, other = cost_of(spec, tmp_path), cost_of(spec.model_copy(update={"architecture": wider}), tmp_path)
    assert plain.memory is not None
    assert other.memory is not None
    # Twice the products of attention, 8 bits each and a scale for each 128, and twice the keys and values.
    attention = 32 * 4096 * (32 + 8 + 8 + 32) * 128 * (1 + 4 / 128)
    assert other.memory - plain.memory == attention + 2 * 32 * 8 * 128 * 4 * costs.CONVERSATION


def test_what_cannot_fit_is_refused_with_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, settings = Catalog.load().get(MISTRAL), Settings(data_dir=tmp_path / "not" / "there")
    monkeypatch.setattr(costs, "machine_memory", lambda: 4_000_000_000)
    with pytest.raises(DownloadFailed, match=r"about [89]\.\d GB of memory, and this machine has 4\.0 GB.*--force"):
        check_fits(spec, settings)
    monkeypatch.setattr(costs, "machine_memory", lambda: 64_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 5_000_000_000})())
    with pytest.raises(DownloadFailed, match=r"needs about 2\d\.\d GB of disk.*5\.0 GB are free"):
        check_fits(spec, settings)
