"""Answers of models of every dialect, with real engine processes and random weights."""

import asyncio
import json
from pathlib import Path

import pytest

from fireside.chat.messages import Message, Tool, ToolCall
from fireside.engine.types import Sampling
from fireside.serving.types import TextRequest
from support.checkpoints import make_tiny_checkpoint
from support.tiny_tokenizers import tiny_byte_level, with_tokens
from support.user_models import add_model, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("children")]
LIMIT = 120.0
"""Seconds after which a test that hangs fails."""

SPECIALS = {
    "mistral-v3": (
        *("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
        *("[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    ),
    "llama3.1": ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "qwen3": ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>"),
}
STOP = Tool("stop", "Stops.", {"maxProperties": 0})
GO = Tool("go", "Goes.", {"properties": {"far": {"type": "boolean"}}, "required": ["far"]})


@pytest.mark.parametrize("style", SPECIALS)
async def test_a_model_that_must_call_does_in_its_own_dialect(tmp_path: Path, style: str) -> None:
    tokenizer = with_tokens(tiny_byte_level(), *SPECIALS[style])
    folder = tmp_path / "weights"
    make_tiny_checkpoint(folder, vocab=len(tokenizer["model"]["vocab"]), context=4096)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    model = add_model(tmp_path, "tiny", folder=folder, style=style)
    talk = (
        Message("user", "Hi"),
        Message("assistant", "", (ToolCall("call_1", "go", '{"far": true}'),)),
        Message("tool", "gone", tool_call_id="call_1"),
    )
    async with asyncio.timeout(LIMIT), opened(tmp_path) as service:
        for seed in range(6):
            request = TextRequest(
                model=model,
                messages=talk,
                tools=(STOP, GO),
                tool_choice="required",
                max_tokens=600,
                sampling=Sampling(temperature=2.0, seed=seed),
            )
            deltas = [delta async for delta in service.generate(request)]
            calls = [call for delta in deltas for call in delta.tool_calls]
            assert calls
            assert "".join(delta.text for delta in deltas) == ""
            assert deltas[-1].finish_reason == "tool_calls"
            for call in calls:
                assert set(json.loads(call.arguments)) >= {"stop": set(), "go": {"far"}}[call.name]


TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


async def test_a_model_answers_by_its_own_template(tmp_path: Path) -> None:
    tokenizer = with_tokens(tiny_byte_level(), "<|im_start|>", "<|im_end|>")
    folder = tmp_path / "weights"
    make_tiny_checkpoint(folder, vocab=len(tokenizer["model"]["vocab"]))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|im_end|>"}', encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    answers, previews = [], []
    for style in ("template", "chatml"):
        model = add_model(tmp_path, style, folder=folder, style=style)
        request = TextRequest(
            model=model,
            messages=(Message("system", "Be <|im_end|> brief."), Message("user", "Hi")),
            max_tokens=12,
            sampling=Sampling(temperature=1.0, seed=3),
        )
        async with asyncio.timeout(LIMIT), opened(tmp_path) as service:
            answers.append([(delta.text, delta.finish_reason) async for delta in service.generate(request)])
            preview = await service.preview(request)
            previews.append((preview.pieces, preview.tokens))
    assert answers[0] == answers[1]
    assert previews[0] == previews[1]
