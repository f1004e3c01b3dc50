"""The page about functions: its request runs a function of the real default model's choice, its JavaScript runs."""

import asyncio
import json
import shutil
import subprocess

import pytest

from fireside.functions.messages import Returned
from fireside.functions.reader import FunctionReader
from fireside.functions.sandbox import Sandbox
from support.documents import examples

PAGE = "docs/functions.md"
PRINTED_URL = "http://127.0.0.1:8787"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_request_has_the_model_call_the_function_and_read_its_result(server_url: str) -> None:
    (curl,) = examples(PAGE, "sh", "curl")
    done = subprocess.run(
        ["sh", "-ec", curl.replace(PRINTED_URL, server_url)], capture_output=True, text=True, timeout=300, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["success"] is True
    call, *_ = answer["result"]["function_calls"]
    shown = json.loads(examples(PAGE, "json")[0])
    assert call.keys() == shown.keys()
    assert call["name"] == "multiply"
    assert call["result"] == call["arguments"]["a"] * call["arguments"]["b"]
    assert answer["result"]["response"]


def test_every_way_to_write_a_function_that_the_page_shows_works() -> None:
    plain, area, gross = examples(PAGE, "js")[0].splitlines()
    given: dict[str, tuple[str, dict[str, object], str]] = {
        "f": (plain, {"a": 2}, "4"),
        "area": (area, {"width": 2, "height": 3}, "6"),
        "gross": (gross, {"net": 100}, "119"),
    }
    (place,) = examples(PAGE, "js", "@schema")
    given["place"] = (place, {"city": "Lisbon"}, '"Lisbon"')
    sandbox = Sandbox(seconds=1.0, memory_mb=32)
    for name, (code, arguments, result) in given.items():
        (function,) = asyncio.run(FunctionReader(sandbox).functions_of("local", [(name, code)]))
        assert set(function.tool.parameters["properties"]) >= set(arguments)
        assert asyncio.run(sandbox.call(name, code, function.arguments(arguments))) == Returned(result)


def test_the_comment_that_the_page_shows_gives_its_types() -> None:
    (weather,) = examples(PAGE, "js", "Looks up the weather")
    reader = FunctionReader(Sandbox(seconds=1.0, memory_mb=32))
    (function,) = asyncio.run(reader.functions_of("local", [("weather", weather)]))
    schema = function.tool.parameters
    assert schema["required"] == ["city"]
    assert {name: field.get("enum") or field.get("type") for name, field in schema["properties"].items()} == {
        "city": "string",
        "unit": ["C", "F"],
        "days": "number",
    }
