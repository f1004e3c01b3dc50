"""Answers end where anything says so; tokens that the weights lack are named. With real engines and weights."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fireside.chat.messages import Message
from fireside.engine.types import Sampling
from fireside.errors import InvalidInput, UnsupportedWeights
from fireside.serving.service import Service
from fireside.serving.types import JsonOutput, TextRequest
from support.chain_model import chain, make_chain_model
from support.tiny_tokenizers import tiny_byte_level, with_tokens
from support.user_models import add_model, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("children")]
LIMIT = 60.0
"""Seconds after which a test that hangs fails."""
TOKENIZER = with_tokens(tiny_byte_level(), "<|im_start|>", "<|im_end|>")
VOCAB = TOKENIZER["model"]["vocab"]
END, IM_START, IM_END = 257, 258, 259
NEWLINE, A, B, C = (VOCAB[token] for token in ("Ċ", "a", "b", "c"))


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[Service]:
    async with asyncio.timeout(LIMIT), opened(data_dir) as service:
        yield service


async def say(service: Service, text: str | None = None, **values: Any) -> tuple[str, str | None]:
    """The answer and why it ended."""
    defaults: dict[str, Any] = {"model": "@hf/me/model", "sampling": Sampling(temperature=0), "max_tokens": 5}
    deltas = [delta async for delta in service.generate(TextRequest(**{**defaults, "prompt": text, **values}))]
    return "".join(delta.text for delta in deltas), deltas[-1].finish_reason


@pytest.mark.parametrize(
    ("end", "style", "stop", "files"),
    [
        (IM_END, "chatml", [], {}),
        (END, "chatml", [], {"config": {"eos_token_id": END}}),
        (END, "chatml", [], {"generation_config": {"eos_token_id": [END, 5000]}}),
        (END, "plain", [], {"tokenizer_config": {"eos_token": "<|end|>"}}),
        (END, "plain", ["<|end|>"], {}),
    ],
)
async def test_an_answer_ends_where_anything_says_so(
    tmp_path: Path, end: int, style: str, stop: list[str], files: dict[str, dict[str, Any]]
) -> None:
    folder = tmp_path / "model"
    make_chain_model(folder, TOKENIZER, chain(NEWLINE, A, B, end, C))
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | content))
    add_model(tmp_path, "model", folder=folder, style=style, stop=stop)
    async with serving(tmp_path) as service:
        text = None if style == "chatml" else "x\n"
        messages = (Message("user", "x"),) if style == "chatml" else None
        assert await say(service, text, messages=messages) == ("ab", "stop")


async def test_tokens_that_the_weights_lack(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The embedding has 260 rows; the tokenizer has two tokens more, of which one ends a text."""
    folder = tmp_path / "model"
    make_chain_model(folder, TOKENIZER, chain(NEWLINE, A, B, IM_END))
    more = with_tokens(with_tokens(TOKENIZER, "<|pad|>"), "<tool>", special=False)
    (folder / "tokenizer.json").write_text(json.dumps(more))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [IM_END, 260]}))
    add_model(tmp_path, "model", folder=folder, style="chatml")
    async with serving(tmp_path) as service:
        assert await say(service, "hello") == ("ab", "stop")
        assert "has 262 tokens, and the weights have embeddings for 260" in caplog.text
        assert "'<|pad|>' (260)" in caplog.text
        with pytest.raises(
            InvalidInput, match=r"^prompt: holds the token '<\|pad\|>' \(260\), which the tokenizer has"
        ):
            await say(service, "x<|pad|>", raw=True)
        with pytest.raises(InvalidInput, match=r"^messages: holds the token '<tool>' \(261\)"):
            await say(service, messages=(Message("user", "<tool>"),), raw=True)
        with pytest.raises(InvalidInput, match=r"^prompt: there is no token 260; ids go from 0 to 259"):
            await say(service, prompt_ids=(5, 260))
        with pytest.raises(InvalidInput, match=r"^logit_bias: there is no token 261"):
            await say(service, "x", sampling=Sampling(logit_bias={261: 1.0}))
        # Without raw, such texts are only text.
        assert await say(service, "x<|pad|><tool>") == ("ab", "stop")
        assert await say(service, "x\n", raw=True) == ("ab", "stop")
        assert await say(service, "x\n", raw=True, structured_output=JsonOutput({"const": 1})) == ("1", "stop")


async def test_a_style_whose_tokens_the_weights_lack(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    make_chain_model(folder, tiny_byte_level(), chain(NEWLINE, A, B, END))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (folder / "config.json").write_text(
        json.dumps(json.loads((folder / "config.json").read_text()) | {"eos_token_id": 257})
    )
    add_model(tmp_path, "model", folder=folder, style="chatml")
    async with serving(tmp_path) as service:
        with pytest.raises(UnsupportedWeights, match=r"needs the token '<\|im_start\|>' \(258\).*prompt\.style"):
            await say(service, "hello")
        with pytest.raises(InvalidInput, match=r"holds the token '<\|im_start\|>' \(258\)"):
            await say(service, "<|im_start|>", raw=True)
        assert await say(service, "x\n", raw=True) == ("ab", "stop")


async def test_more_weights_than_tokens(tmp_path: Path) -> None:
    """As real checkpoints are padded; a token without a text says nothing."""
    folder = tmp_path / "model"
    make_chain_model(folder, TOKENIZER, chain(NEWLINE, A, IM_START, IM_END))
    (folder / "tokenizer.json").write_text(json.dumps(tiny_byte_level()))
    add_model(tmp_path, "model", folder=folder)
    async with serving(tmp_path) as service:
        assert await say(service, "x\n", max_tokens=3) == ("a", "length")
