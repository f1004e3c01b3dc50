"""What commands print for scripts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from support.model_sources import hub_source, model_spec, write_catalog_file

Fireside = Callable[..., Result]


def said(result: Result) -> object:
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_models(fireside: Fireside) -> None:
    rows = {row["id"]: row for row in said(fireside("models", "--json"))}  # type: ignore[attr-defined]
    assert rows["@hf/fireside/echo"]["downloaded"] is True
    mistral = rows["@hf/mistral/mistral-7b-instruct-v0.2"]
    assert (mistral["downloaded"], mistral["lora"], mistral["context_length"]) == (False, True, 32768)
    assert mistral["memory_bytes"] > 8e9


def test_show(fireside: Fireside) -> None:
    facts = said(fireside("show", "mistral-7b-instruct-v0.2", "--json"))
    assert isinstance(facts, dict)
    assert facts["aliases"] == [
        "@cf/mistral/mistral-7b-instruct-v0.2-lora",
        "@cf/mistralai/mistral-7b-instruct-v0.2-lora",
    ]
    assert (facts["style"], facts["path"], facts["packed_path"]) == ("mistral", None, None)
    assert facts["stop"] == ["</s>"]
    assert "<|im_end|>, </s>" in fireside("show", "openhermes").stdout
    assert facts["defaults"] == {"max_tokens": 256, "temperature": 0.6, "top_p": 1.0}
    text = fireside("show", "mistral-7b-instruct-v0.2").stdout
    for part in (*facts["aliases"], "not downloaded; fireside pull @hf/mistral", "32,768 tokens", "GB for one conv"):
        assert part in text


def test_tokens(fireside: Fireside) -> None:
    assert said(fireside("token", "list", "--json")) == []
    token = fireside("token", "create", "--name", "ci", "--scopes", "run").stdout.strip()
    listed: Any = said(fireside("token", "list", "--json"))
    [record] = listed
    assert (record["name"], record["scopes"], record["revoked_at"]) == ("ci", ["run"], None)
    assert record["created_at"].endswith("Z")
    assert token not in json.dumps(record)


def test_doctor(fireside: Fireside) -> None:
    result = fireside("doctor", "--json")
    findings = json.loads(result.stdout)
    assert {"python", "memory", "disk", "catalog"} <= {finding["name"] for finding in findings}
    assert result.exit_code == any(finding["state"] == "bad" for finding in findings)


def test_finetunes(fireside: Fireside) -> None:
    assert said(fireside("finetune", "list", "--json")) == []


def test_a_broken_catalog_is_still_an_error(fireside: Fireside, data_dir: Path) -> None:
    write_catalog_file(data_dir / "catalog", model_spec(hub_source("config.json")))
    (data_dir / "catalog" / "tiny.toml").write_text("id = ")
    result = fireside("models", "--json")
    assert (result.exit_code, result.stdout) == (1, "")


@pytest.mark.parametrize("command", ["models", "ps", "show", "doctor", "token list", "finetune list", "finetune show"])
def test_each_listing_command_has_it(command: str, fireside: Fireside) -> None:
    assert "--json" in fireside(*command.split(), "--help").stdout
