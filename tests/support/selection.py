"""Which tests run: `--fast` leaves out what is slow, and what needs a library that is not installed is skipped."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).parents[1]
_OWN = (TESTS, TESTS.parent / "bench", TESTS.parent / "examples")

SLOW = (
    # Browsers, other people's clients, whole commands, benchmarks, and servers that load a model.
    "bench", "browser", "cli", "clients", "docs", "examples", "faults", "finetunes", "tools/test_check_javascript.py",
    "tools/test_install.py", "test_child.py", "test_other_systems.py",
    # Models computed twice: here, and by PyTorch or another tokenizer.
    "api/openai/test_openai_weights.py", "chat/templates", "chat/test_chat_templates.py", "chat/test_mistral_v3.py",
    "engine/onnx/test_onnx_architectures.py", "engine/onnx/test_llama_quantize.py", "engine/onnx/test_lora.py",
    "engine/onnx/test_onnx_against_transformers.py", "engine/onnx/test_onnx_runner.py", "engine/onnx/test_smollm2.py",
    "prompting/test_prompt_oracles.py", "prompting/test_tokenizer.py", "prompting/test_tokenizer_families.py",
    "prompting/test_tokenizer_files.py", "weights/test_adapter_rules.py", "weights/test_compressed_tensors.py",
    "weights/test_gptq.py",
    # A process for each test, many requests for each, or large files.
    "api/http/test_api_fuzz.py", "api/http/test_api_server.py", "api/routes/test_api_finetunes.py",
    "api/routes/test_api_places.py", "api/schema/test_api_functions.py", "api/schema/test_api_openapi.py",
    "engine/conformance/test_conformance_process.py", "engine/test_engine_process.py",
    "engine/vllm/test_vllm_engine.py", "functions",
    "serving/test_many_finetunes.py", "serving/test_pool.py", "serving/test_preview.py", "serving/test_service.py",
    "serving/test_service_forms.py", "store/test_store_faults.py", "weights/download",
)  # fmt: skip
"""Folders and files of tests, below `tests/`, that `--fast` leaves out without importing them."""

OPTIONAL = ("torch", "transformers", "peft", "mistral_common", "compressed_tensors", "accelerate")
"""What only some tests need, and is large."""


def is_slow(path: Path) -> bool:
    """Whether a file or folder of tests is in `SLOW`, by itself or by a folder above it."""
    return path.is_relative_to(TESTS) and any(path.is_relative_to(TESTS / slow) for slow in SLOW)


class SkipWithoutLibrary:
    """The last of the import system's finders: an import by a test of what is not installed skips the test."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """None, always; or Skipped, where the import is of `OPTIONAL` and stands in a file of ours.

        Others may try such an import to learn whether there is that library.
        """
        if name not in OPTIONAL:
            return None
        frame = sys._getframe(1)
        while frame.f_back and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if any(Path(frame.f_code.co_filename).is_relative_to(folder) for folder in _OWN):
            pytest.skip(f"needs {name}", allow_module_level=True)
        return None
