"""Answers that were written down come back, and what has none says so."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fireside.engine.replay import ENGINE, Answers, ReplayOptions
from fireside.engine.types import GenerationRequest, Sampling
from fireside.errors import CatalogError, EngineUnavailable, InvalidInput
from fireside.serving.types import TextRequest
from fireside.settings import Settings
from support.user_models import catalog_of, opened, settings_for

LINES: list[dict[str, Any]] = [
    {"prompt": "France?", "answer": "Paris ☀"},
    {"prompt": "capital of France?", "answer": "Paris, of course."},
    {"prompt": "A joke", "answer": ["one", "two", "three"]},
]


def write(folder: Path, *lines: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "answers.jsonl"
    path.write_text("\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return path


def said(answers: Answers, prompt: str, **sampling: Any) -> str:
    request = GenerationRequest(prompt_ids=list(prompt.encode()), max_tokens=1, sampling=Sampling(**sampling))
    return bytes(answers.ids(request)).decode()


def test_the_longest_end_of_the_prompt_answers(tmp_path: Path) -> None:
    answers = Answers(write(tmp_path, *LINES))
    assert said(answers, "be brief\nWhat is the capital of France?") == "Paris, of course."
    assert said(answers, "France?") == "Paris ☀"
    with pytest.raises(InvalidInput, match=r"answers\.jsonl has no answer for a prompt that ends with '.*of Spain\?'"):
        said(answers, "x" * 500 + "What is the capital of Spain?")
    answers = Answers(write(tmp_path, *LINES, {"prompt": "", "answer": "No idea."}))
    assert said(answers, "What is the capital of Spain?") == "No idea."


def test_a_seed_chooses_among_several_answers(tmp_path: Path) -> None:
    answers = Answers(write(tmp_path, *LINES))
    assert [said(answers, "A joke", seed=seed) for seed in (0, 1, 2, 4)] == ["one", "two", "three", "two"]
    assert said(answers, "A joke") == said(answers, "A joke", seed=2, temperature=0) == "one"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"prompt": "a", "answer": "b"}\n\n{"prompt": "a"', "line 3: Input data was truncated"),
        ('{"prompt": "a"}', "line 1: Object missing required field `answer`"),
        ('{"prompt": "a", "answer": []}', "line 1: Expected `array` of length >= 1"),
        ('{"prompt": "a", "answer": 1}', "line 1: Expected `str | array`, got `int`"),
        ('{"prompt": "a", "anwser": "b"}', "line 1: Object contains unknown field `anwser`"),
        ("\udcff", "line 1: "),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(CatalogError, match=r"^answers\.jsonl: " + says.replace("|", r"\|")):
        Answers(path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with path.open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    with pytest.raises(CatalogError, match="larger than"):
        Answers(path)


def test_where_the_file_is(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    options = ENGINE.configure({**ENGINE.from_settings(settings, lora=False), "answers": "a/b.jsonl"})
    assert options.path == tmp_path / "catalog" / "a" / "b.jsonl"
    elsewhere = ENGINE.configure({"answers": str(tmp_path / "c.jsonl"), "folder": "/x"})
    assert elsewhere.path == tmp_path / "c.jsonl"
    assert ENGINE.requirements(elsewhere) == [f"engine.answers: there is no file {tmp_path / 'c.jsonl'}. Create it."]
    assert ReplayOptions(answers="~/d.jsonl").path == Path.home() / "d.jsonl"


MODEL = """
id = "@cf/me/canned"
context_length = 1000
source = { kind = "none" }
prompt = { style = "plain" }
engine = { kind = "replay", answers = "answers.jsonl" }
"""


@pytest.mark.anyio
@pytest.mark.usefixtures("children")
async def test_a_model_of_the_catalog(tmp_path: Path) -> None:
    async def ask(prompt: str) -> str:
        request = TextRequest(model="@cf/me/canned", prompt=prompt)
        return "".join([delta.text async for delta in service.generate(request)])

    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "canned.toml").write_text(MODEL)
    assert catalog_of(settings_for(tmp_path)).get("@cf/me/canned").engine.options == {"answers": "answers.jsonl"}
    async with opened(tmp_path) as service:
        with pytest.raises(
            EngineUnavailable, match=r"The replay engine cannot run here\. engine\.answers: there is no file"
        ):
            await ask("What is the capital of France?")
    write(tmp_path / "catalog", *LINES)
    async with opened(tmp_path) as service:
        assert await ask("What is the capital of France?") == "Paris, of course."
        with pytest.raises(InvalidInput, match="Add a line for it"):
            await ask("What is the capital of Spain?")
        assert await ask("France?") == "Paris ☀"
    (tmp_path / "catalog" / "answers.jsonl").write_text("{")
    async with opened(tmp_path) as service:
        with pytest.raises(CatalogError, match="line 1"):
            await ask("France?")
