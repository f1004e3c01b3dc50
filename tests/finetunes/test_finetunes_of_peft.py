"""Adapters as PEFT really saves them, uploaded: what is ready, and what is refused with a remedy."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from fireside.catalog.spec import EngineSpec, FolderSource, ModelSpec, PromptSpec
from fireside.errors import BadAdapter
from fireside.finetunes.service import FineTunes
from fireside.finetunes.status import status_of
from fireside.settings import Settings
from fireside.store.store import Store
from fireside.weights.adapter import read_adapter
from fireside.weights.adapter_config import TARGETS
from support.adapters import CONFIG, WEIGHTS
from support.checkpoints import Dtype, make_tiny_checkpoint

VOCAB = 99
SAVED = {"save_embedding_layers": True}
VOCABULARY = ["embed_tokens", "lm_head"]


class Uploads:
    """A base model, and fine-tunes of it that PEFT makes."""

    def __init__(self, place: Path, store: Store, dtype: Dtype = "f32", **base: Any) -> None:
        self.base = place / "base"
        make_tiny_checkpoint(self.base, vocab=VOCAB, dtype=dtype, **base)
        self._adapter = place / "adapter"
        self.spec = ModelSpec(
            id="@hf/test/tiny",
            lora=True,
            context_length=512,
            source=FolderSource(kind="folder", path=str(self.base)),
            prompt=PromptSpec(style="plain"),
            engine=EngineSpec(kind="onnx"),
        )
        self.finetunes = FineTunes(Settings(data_dir=place / "data"), store.finetunes, [self.spec])
        self.finetunes.create("a", model=self.spec, name="x")

    def save(
        self,
        config: dict[str, Any],
        save: dict[str, Any] | None = None,
        change: Callable[[PeftModel], object] | None = None,
        resize: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Path:
        """An adapter of random values."""
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT tells of each layer that it saves whole
            model = AutoModelForCausalLM.from_pretrained(self.base, dtype=dtype)
            if resize is not None:
                model.resize_token_embeddings(resize)
            peft = get_peft_model(model, LoraConfig(r=4, **config))
            for name, parameter in peft.named_parameters():
                if "lora_" in name:
                    torch.nn.init.normal_(parameter, std=0.2)
            if change is not None:
                with torch.no_grad():
                    change(peft)
            peft.save_pretrained(str(self._adapter), **(save or {}))
        return self._adapter

    def upload(self, folder: Path) -> None:
        for name in (CONFIG, WEIGHTS):
            self.finetunes.upload("a", "x", name, folder / name)

    def is_ready(self) -> bool:
        return status_of(self.finetunes.get("a", "x")).state == "ready"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "fireside.db") as store:
        yield store


@pytest.fixture
def uploads(tmp_path: Path, store: Store) -> Uploads:
    return Uploads(tmp_path, store)


@pytest.mark.parametrize(
    ("config", "modules"),
    [
        ({"target_modules": list(TARGETS), "exclude_modules": ["gate_proj", "up_proj", "down_proj"]}, 8),
        ({"target_modules": list(TARGETS), "layers_to_transform": [1], "layers_pattern": "layers"}, 7),
        ({"target_modules": list(TARGETS), "exclude_modules": r".*\.0\..*"}, 7),
        ({"target_modules": "all-linear"}, 14),
        ({"target_modules": "all-linear", "exclude_modules": ["self_attn.q_proj"]}, 12),
        ({"target_modules": r".*layers\.(0|1)\.(self_attn|mlp)\.(q|up)_proj", "rank_pattern": {r"(q|k)_proj": 2}}, 4),
        ({"target_modules": ["query_key_value", "c_attn", "q_proj"]}, 2),
        ({"target_modules": list(TARGETS), "modules_to_save": ["lm_head"]}, 14),
    ],
)
def test_modules_are_those_whose_tensors_are_there(
    uploads: Uploads, config: dict[str, Any], modules: int, tmp_path: Path
) -> None:
    folder = uploads.save(config)
    uploads.upload(folder)
    assert uploads.is_ready()
    assert len(read_adapter(folder).modules) == modules


QV: dict[str, Any] = {"target_modules": ["q_proj", "v_proj"]}
UNTRAINED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "save_embedding_layers": (QV, SAVED),
    "modules_to_save": (QV | {"modules_to_save": VOCABULARY}, {}),
    "norms": (QV | {"modules_to_save": ["norm"]}, {}),
    "a linear": (QV | {"modules_to_save": ["down_proj"]}, {}),
    "tokens": (QV | {"trainable_token_indices": [5, 0, 98]}, {}),
    "tokens by layer": (QV | {"trainable_token_indices": {"embed_tokens": [7]}}, {}),
}


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("kind", UNTRAINED)
def test_layers_that_are_the_bases_own_are_passed_over(tmp_path: Path, store: Store, kind: str, tie: bool) -> None:
    uploads = Uploads(tmp_path, store, tie=tie)
    folder = uploads.save(*UNTRAINED[kind])
    assert read_adapter(folder).copies
    uploads.upload(folder)
    assert uploads.is_ready()


@pytest.mark.parametrize("base", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("trained_in", [torch.float32, torch.float16, torch.bfloat16])
def test_they_are_compared_as_exactly_as_their_own_type_allows(
    tmp_path: Path, store: Store, base: Dtype, trained_in: torch.dtype
) -> None:
    uploads = Uploads(tmp_path, store, base)
    uploads.upload(uploads.save(QV, SAVED, dtype=trained_in))
    assert uploads.is_ready()


def _first(name: str) -> Callable[[PeftModel], object]:
    """Add to one value of the parameters of this name."""

    def change(model: PeftModel) -> None:
        for own, parameter in model.named_parameters():
            if name in own:
                parameter.view(-1)[-1] += 0.01

    return change


@pytest.mark.parametrize(
    ("config", "save", "name"),
    [
        (QV, SAVED, "embed_tokens"),
        (QV, SAVED, "lm_head"),
        (QV | {"modules_to_save": VOCABULARY}, {}, "lm_head.modules_to_save"),
        (QV | {"modules_to_save": ["norm"]}, {}, "model.norm.modules_to_save"),
        (QV | {"trainable_token_indices": [5, 6]}, {}, "trainable_tokens_delta"),
    ],
)
def test_layers_that_were_trained_are_refused(
    uploads: Uploads, config: dict[str, Any], save: dict[str, Any], name: str
) -> None:
    with pytest.raises(BadAdapter, match=r"other values than the base model's: it was trained\. .* LoRA only: train w"):
        uploads.upload(uploads.save(config, save, _first(name)))
    assert not uploads.is_ready()


@pytest.mark.parametrize("rows", [VOCAB + 2, 128, VOCAB - 3])
def test_a_vocabulary_that_was_resized(uploads: Uploads, rows: int) -> None:
    """PEFT saves the layers without being asked to, and the message says how to save without them."""
    with pytest.raises(BadAdapter, match=rf"has {rows} rows, .* vocabulary has 99: .*resized.*save_embedding_layers=F"):
        uploads.upload(uploads.save(QV, resize=rows))
    uploads.upload(uploads.save(QV, {"save_embedding_layers": False}, resize=rows))
    assert uploads.is_ready()


@pytest.mark.parametrize("target", VOCABULARY)
def test_lora_on_the_vocabulary(uploads: Uploads, target: str) -> None:
    with pytest.raises(BadAdapter, match="target_modules that leave out embed_tokens and lm_head"):
        uploads.upload(uploads.save({"target_modules": ["q_proj", target]}))


def test_tokens_of_another_base(uploads: Uploads) -> None:
    save = {"save_embedding_layers": False}
    with pytest.raises(BadAdapter, match="does not fit trainable_token_indices and the base model"):
        uploads.upload(uploads.save(QV | {"trainable_token_indices": [VOCAB]}, save, resize=VOCAB + 1))
    with pytest.raises(BadAdapter, match=r"has 100 rows, .*resized"):
        uploads.upload(uploads.save(QV | {"trainable_token_indices": [VOCAB]}, resize=VOCAB + 1))


def test_without_the_base_nothing_can_be_compared(uploads: Uploads, tmp_path: Path) -> None:
    folder = uploads.save(QV, SAVED)
    uploads.base.rename(tmp_path / "elsewhere")
    with pytest.raises(BadAdapter, match="cannot be compared with the base model's own"):
        uploads.upload(folder)
    (tmp_path / "elsewhere").rename(uploads.base)
    uploads.upload(folder)
    assert uploads.is_ready()
