"""Every id that the hosted service has retired is known here, and each entry says what it must."""

import pytest

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import HubSource, ModelSpec, Unavailable
from fireside.errors import ModelRetired

# The service's release notes of 2025-09-18 and 2026-05-08.
RETIRED = {
    "2025-10-01": """
        @hf/thebloke/zephyr-7b-beta-awq @hf/thebloke/mistral-7b-instruct-v0.1-awq @hf/thebloke/llama-2-13b-chat-awq
        @hf/thebloke/openhermes-2.5-mistral-7b-awq @hf/thebloke/neural-chat-7b-v3-1-awq @hf/thebloke/llamaguard-7b-awq
        @hf/thebloke/deepseek-coder-6.7b-base-awq @hf/thebloke/deepseek-coder-6.7b-instruct-awq
        @cf/deepseek-ai/deepseek-math-7b-instruct @cf/openchat/openchat-3.5-0106 @cf/tiiuae/falcon-7b-instruct
        @cf/thebloke/discolm-german-7b-v1-awq @cf/qwen/qwen1.5-0.5b-chat @cf/qwen/qwen1.5-7b-chat-awq
        @cf/qwen/qwen1.5-14b-chat-awq @cf/tinyllama/tinyllama-1.1b-chat-v1.0 @cf/qwen/qwen1.5-1.8b-chat
        @hf/nexusflow/starling-lm-7b-beta @cf/fblgit/una-cybertron-7b-v2-bf16
    """,
    "2026-05-30": """
        @cf/moonshotai/kimi-k2.5 @hf/meta-llama/meta-llama-3-8b-instruct @cf/meta/llama-3-8b-instruct
        @cf/meta/llama-3-8b-instruct-awq @cf/meta/llama-3.1-8b-instruct @cf/meta/llama-3.1-8b-instruct-awq
        @cf/meta/llama-3.1-70b-instruct @cf/meta/llama-2-7b-chat-int8 @cf/meta/llama-2-7b-chat-fp16
        @cf/mistral/mistral-7b-instruct-v0.1 @hf/mistral/mistral-7b-instruct-v0.2 @hf/google/gemma-7b-it
        @cf/google/gemma-3-12b-it @hf/nousresearch/hermes-2-pro-mistral-7b @cf/microsoft/phi-2 @cf/defog/sqlcoder-7b-2
    """,
}
OTHER_TASKS = ("@cf/unum/uform-gen2-qwen-500m", "@cf/facebook/bart-large-cnn")
IDS = [(day, model) for day, ids in RETIRED.items() for model in ids.split()]
CATALOG = Catalog.load()
BUILT_IN = CATALOG.all()


def test_nineteen_and_eighteen() -> None:
    assert [len(ids.split()) for ids in RETIRED.values()] == [19, 18 - len(OTHER_TASKS)]


@pytest.mark.parametrize(("day", "model"), IDS)
def test_a_retired_id_is_known(day: str, model: str) -> None:
    spec = CATALOG.get(model)
    assert model in spec.names
    assert spec.retired == day


@pytest.mark.parametrize("model", OTHER_TASKS)
def test_a_retired_id_of_another_task_is_refused(model: str) -> None:
    with pytest.raises(ModelRetired, match=r"deprecated on 2026-05-30\. .* generates text, and nothing else"):
        CATALOG.get(model)


def test_nothing_else_is_called_retired() -> None:
    named = {model for _, model in IDS}
    assert all(named & set(spec.names) for spec in BUILT_IN if spec.retired)


@pytest.mark.parametrize("spec", [spec for spec in BUILT_IN if spec.retired], ids=lambda spec: spec.id)
def test_an_entry_is_whole(spec: ModelSpec) -> None:
    assert spec.family
    assert spec.license
    assert isinstance(spec.source, HubSource | Unavailable)
    if isinstance(spec.source, HubSource):
        # What it takes is known before a byte is fetched, and so is what does not fit this machine.
        assert spec.architecture.model_type
        assert spec.architecture.num_hidden_layers
        assert spec.architecture.vocab_size
        assert (spec.architecture.group_size is not None) == ("awq" in spec.id)
        assert spec.source.gated == spec.source.repo.startswith(("meta-llama/", "google/"))
        assert not (spec.lora and spec.architecture.group_size)
    else:
        assert spec.source.reason.endswith(".")


def test_every_family_has_a_stand_in() -> None:
    stand_ins = {family for spec in BUILT_IN for family in spec.stands_in_for}
    assert "*" in stand_ins
    assert {"llama", "qwen", "gemma", "deepseek", "kimi"} <= stand_ins
    assert all(
        isinstance(spec.source, HubSource) or spec.id.endswith("smollm2-135m-instruct")
        for spec in BUILT_IN
        if spec.stands_in_for
    )
