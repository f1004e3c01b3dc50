"""The architectures that Fireside runs. To add one, write its module and name it here."""

from fireside.weights.architectures import gemma, gemma3, llama, mistral, qwen2, qwen3
from fireside.weights.architectures.architecture import Architecture

ARCHITECTURES: tuple[Architecture, ...] = (
    llama.ARCHITECTURE,
    mistral.ARCHITECTURE,
    qwen2.ARCHITECTURE,
    qwen3.ARCHITECTURE,
    gemma.ARCHITECTURE,
    gemma3.ARCHITECTURE,
    gemma3.MULTIMODAL,
)


def of_hf_class(name: str) -> Architecture | None:
    """The architecture that transformers calls so, such as "LlamaForCausalLM"; None when Fireside runs none such."""
    return next((known for known in ARCHITECTURES if known.hf_class == name), None)


def of_gguf(name: str) -> Architecture | None:
    """The architecture that GGUF files call so; where several share a name, the first reads them."""
    return next((known for known in ARCHITECTURES if known.gguf == name), None)


def supported(names: dict[str, None]) -> str:
    """What to do about another architecture, which lists those that are run."""
    *most, last = names
    return f"Fireside runs {', '.join(most)} and {last}. Take a model of one of these architectures."


HF_CLASSES = dict.fromkeys(known.hf_class for known in ARCHITECTURES)
GGUF_NAMES = dict.fromkeys(known.gguf for known in ARCHITECTURES)
