"""The documentation's table of architectures is the registry's."""

from pathlib import Path

from fireside.weights.architectures import ARCHITECTURES

MODELS = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_table_of_architectures() -> None:
    rows = [f"| {known.title} | `{known.hf_class}` | `{known.gguf}` |" for known in ARCHITECTURES]
    section = MODELS.read_text().partition("## Architectures\n")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("| ") and "`general" not in line] == rows
