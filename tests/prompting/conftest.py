"""Real vocabularies, and the oracles that read them: `tokenizers`, `transformers` and `mistral_common`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as LibraryTokenizer

from fireside.prompting import Tokenizer, open_tokenizer
from fireside.weights.gguf import read_gguf

if TYPE_CHECKING:
    # Imported where they are used: there are tests beside these that run without.
    from transformers import PreTrainedTokenizerFast

    from support.mistral_tokenizer import MistralOracle

# As teknium/OpenHermes-2.5-Mistral-7B has it in tokenizer_config.json.
OPENHERMES_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# As mistralai/Mistral-7B-Instruct-v0.2 has it, for a tokenizer that puts "▁" at the prompt's start only.
MISTRAL_TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}"
    "{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}"
    "{%- for message in loop_messages %}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{- raise_exception('roles must alternate') }}{%- endif %}{%- if message['role'] == 'user' %}"
    "{%- if loop.first and system_message is defined %}"
    "{{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}"
    "{%- else %}{{- ' [INST] ' + message['content'] + ' [/INST]' }}{%- endif %}"
    "{%- elif message['role'] == 'assistant' %}{{- ' ' + message['content'] + eos_token }}{%- endif %}{%- endfor %}"
)


@pytest.fixture(scope="session")
def mistral_folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Folders with Mistral's tokenizer files, by form."""
    from support.mistral_tokenizer import FORMS, write_tokenizer

    root = tmp_path_factory.mktemp("mistral")
    return {form: write_tokenizer(root / form, form) for form in FORMS}


@pytest.fixture(scope="session")
def openhermes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.mistral_tokenizer import write_tokenizer

    return write_tokenizer(tmp_path_factory.mktemp("openhermes"), chatml=True)


@pytest.fixture(scope="session")
def mistral_tokenizers(mistral_folders: Mapping[str, Path]) -> Mapping[str, Tokenizer]:
    """By form; "gguf" is the same vocabulary in a GGUF file."""
    from support.mistral_tokenizer import gguf_metadata

    gguf = Tokenizer.from_gguf(gguf_metadata())
    return {form: open_tokenizer(folder) for form, folder in mistral_folders.items()} | {"gguf": gguf}


@pytest.fixture(scope="session")
def mistral(mistral_tokenizers: Mapping[str, Tokenizer]) -> Tokenizer:
    return mistral_tokenizers["legacy"]


@pytest.fixture(scope="session")
def openhermes(openhermes_folder: Path) -> Tokenizer:
    return open_tokenizer(openhermes_folder)


@pytest.fixture(scope="session")
def smollm2_metadata(smollm2_gguf: Path) -> Mapping[str, object]:
    return read_gguf(smollm2_gguf).metadata


@pytest.fixture(scope="session")
def smollm2(smollm2_metadata: Mapping[str, object]) -> Tokenizer:
    return Tokenizer.from_gguf(smollm2_metadata)


@pytest.fixture(scope="session")
def mistral_library(mistral_folders: Mapping[str, Path]) -> LibraryTokenizer:
    return LibraryTokenizer.from_file(str(mistral_folders["legacy"] / "tokenizer.json"))


@pytest.fixture(scope="session")
def smollm2_library(smollm2_metadata: Mapping[str, object]) -> LibraryTokenizer:
    """As HuggingFaceTB/SmolLM2-135M-Instruct's tokenizer.json has it, put together by the library's own classes."""
    tokens: list[str] = smollm2_metadata["tokenizer.ggml.tokens"]  # type: ignore[assignment]
    merges: list[str] = smollm2_metadata["tokenizer.ggml.merges"]  # type: ignore[assignment]
    vocab = {token: i for i, token in enumerate(tokens)}
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    library = LibraryTokenizer(models.BPE(vocab=vocab, merges=pairs))
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in tokens[:17]])
    return library


@pytest.fixture(scope="session")
def mistral_oracle() -> "MistralOracle":
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    return MistralTokenizer.v1()


@pytest.fixture(scope="session")
def mistral_hub(mistral_folders: Mapping[str, Path]) -> "PreTrainedTokenizerFast":
    return _transformers(
        tokenizer_file=str(mistral_folders["metaspace"] / "tokenizer.json"), template=MISTRAL_TEMPLATE, eos="</s>"
    )


@pytest.fixture(scope="session")
def openhermes_hub(openhermes_folder: Path) -> "PreTrainedTokenizerFast":
    return _transformers(
        tokenizer_file=str(openhermes_folder / "tokenizer.json"), template=OPENHERMES_TEMPLATE, eos="<|im_end|>"
    )


@pytest.fixture(scope="session")
def smollm2_hub(smollm2_library: LibraryTokenizer, smollm2_metadata: Mapping[str, object]) -> "PreTrainedTokenizerFast":
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_object=smollm2_library)
    tokenizer.chat_template = smollm2_metadata["tokenizer.chat_template"]
    return tokenizer


def _transformers(tokenizer_file: str, template: str, eos: str) -> "PreTrainedTokenizerFast":
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=tokenizer_file, bos_token="<s>", eos_token=eos, unk_token="<unk>"
    )
    tokenizer.chat_template = template
    return tokenizer
