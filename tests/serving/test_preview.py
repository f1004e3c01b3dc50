"""What a model would read, with real tokenizers and without any engine."""

from pathlib import Path

import pytest

from fireside.catalog.loader import Catalog
from fireside.chat.messages import Message
from fireside.errors import InvalidInput
from fireside.serving.service import Service
from fireside.serving.types import Preview, TextRequest
from fireside.weights.download.pull import pull
from support.children import Children
from support.user_models import catalog_of, settings_for

pytestmark = pytest.mark.anyio
SMOLLM2 = "@hf/huggingfacetb/smollm2-135m-instruct"
MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"
ECHO = "@hf/fireside/echo"


def service(data_dir: Path) -> Service:
    settings = settings_for(data_dir)
    return Service(settings, catalog_of(settings))


def text(preview: Preview) -> str:
    return "".join(piece.text for piece in preview.pieces)


def controls(preview: Preview) -> list[str]:
    return [piece.text for piece in preview.pieces if piece.control]


async def test_text_and_length_without_an_engine(tmp_path: Path, smollm2_gguf: Path, children: Children) -> None:
    pull(Catalog.load().get(SMOLLM2), tmp_path, local_path=smollm2_gguf)
    made = service(tmp_path)
    seen = await made.preview(TextRequest(model=SMOLLM2, prompt="What is the capital of France?"))
    assert text(seen).endswith("<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n")
    assert controls(seen) == ["<|im_start|>", "<|im_end|>"] * 2 + ["<|im_start|>"]
    assert seen.tokens == 37  # as the README's answer counts
    raw = await made.preview(TextRequest(model=SMOLLM2, prompt="<|im_start|>a<|im_end|> <b> <|no|>", raw=True))
    assert controls(raw) == ["<|im_start|>", "<|im_end|>"]
    assert text(raw) == "<|im_start|>a<|im_end|> <b> <|no|>"
    assert children() == []
    await made.close()


async def test_a_model_that_is_not_here_has_a_text_but_no_length(tmp_path: Path) -> None:
    made = service(tmp_path)
    seen = await made.preview(TextRequest(model=MISTRAL, messages=(Message("user", "Hi </s>"),)))
    assert (text(seen), controls(seen), seen.tokens) == ("<s>[INST] Hi </s> [/INST]", ["<s>"], None)
    raw = await made.preview(TextRequest(model=MISTRAL, prompt="<s>[INST] Hi [/INST]</s><x>", raw=True))
    assert controls(raw) == ["<s>", "</s>"]


async def test_a_loaded_model_lends_its_tokenizer(tmp_path: Path) -> None:
    made = service(tmp_path)
    await made.load(ECHO)
    seen = await made.preview(TextRequest(model=ECHO, prompt="hé"))
    assert (text(seen), seen.tokens) == ("hé", 3)
    await made.close()


async def test_nothing_to_say_is_no_prompt(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        await service(tmp_path).preview(TextRequest(model=ECHO, messages=(Message("user", ""),)))
