"""Fine-tunes that nobody uses: a thousand of them take nothing of the engine's memory."""

import json
from pathlib import Path

import pytest

from fireside.engine.types import Adapter, Sampling
from fireside.finetunes.service import FineTunes
from fireside.serving.service import Service
from fireside.serving.types import Delta, TextRequest
from fireside.store.store import Store
from support.adapters import CONFIG, WEIGHTS, adapter_config, adapter_tensors, make_adapter
from support.checkpoints import make_tiny_checkpoint
from support.children import Children
from support.tiny_tokenizers import tiny_byte_level
from support.user_models import add_model, catalog_of, settings_for

pytestmark = pytest.mark.anyio
COUNT = 1000


async def say(service: Service, model: str, adapter: Adapter | None = None) -> list[Delta]:
    request = TextRequest(model=model, prompt="abc", max_tokens=4, sampling=Sampling(temperature=0), adapter=adapter)
    return [delta async for delta in service.generate(request)]


async def test_a_thousand_registered_adapters_take_no_memory_until_used(tmp_path: Path, children: Children) -> None:
    make_tiny_checkpoint(tmp_path / "base", vocab=258)
    (tmp_path / "base" / "tokenizer.json").write_text(json.dumps(tiny_byte_level()))
    add_model(tmp_path, "base", folder=tmp_path / "base", context_length=512, lora=True)
    targets = ["q_proj", "v_proj"]
    files = make_adapter(tmp_path / "adapter", adapter_config(r=32, target_modules=targets), adapter_tensors(rank=32))
    settings = settings_for(tmp_path, finetunes_per_account=COUNT)
    catalog = catalog_of(settings)
    spec = catalog.get("@hf/me/base")
    service = Service(settings, catalog)
    with Store(tmp_path / "fireside.db") as store:
        finetunes = FineTunes(settings, store.finetunes, [spec])
        try:
            plain = await say(service, spec.id)
            (engine,) = children()
            before = engine.memory_info().rss
            for number in range(COUNT):
                finetunes.create("a", model=spec, name=f"n{number}")
                for name in (CONFIG, WEIGHTS):
                    finetunes.upload("a", f"n{number}", name, files / name)
            assert len(finetunes.of_account("a")) == COUNT
            assert await say(service, spec.id) == plain
            grown = engine.memory_info().rss - before
            assert grown < COUNT * (files / WEIGHTS).stat().st_size / 20
            local = finetunes.local("a", f"n{COUNT - 1}", spec)
            assert await say(service, spec.id, Adapter(local.version, str(local.folder))) != plain
        finally:
            await service.close()
