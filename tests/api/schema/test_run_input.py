"""The run route's fields: the page has a line for each, and the engine gets those that it knows."""

import re

from fireside.api.schema.run_input import MessagesInput, PromptInput, parse_input
from fireside.api.schema.sampling_fields import SamplingFields
from fireside.engine.types import Sampling
from support.documents import read


def test_the_page_has_a_line_for_every_field() -> None:
    section = read("docs/api.md").partition("## Running a model")[2].partition("\n### ")[0]
    first_cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    listed = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == PromptInput.model_fields.keys() | MessagesInput.model_fields.keys()


def test_every_sampling_field_is_one_of_the_engines() -> None:
    assert SamplingFields.model_fields.keys() <= set(Sampling.__struct_fields__)


def test_what_is_not_given_is_as_the_engine_has_it() -> None:
    assert parse_input({"prompt": "x"}).sampling() == Sampling()
    assert parse_input({"prompt": "x", **dict.fromkeys(SamplingFields.model_fields)}).sampling() == Sampling()


def test_values_that_mean_another_are_that_one() -> None:
    sampling = parse_input({"prompt": "x", "top_p": 1.5, "repetition_penalty": 0, "top_k": 3.0}).sampling()
    assert sampling == Sampling(top_p=1.0, repetition_penalty=1.0, top_k=3)
