"""Train a LoRA adapter for a model of Fireside's catalog, on any machine, GPU or not.

    fireside pull smollm2-135m-instruct
    python examples/finetune/train.py --data examples/finetune/pirate.jsonl --out my-adapter

Needs torch, transformers, peft, accelerate and gguf beside Fireside. The prompts are made by Fireside itself, so that
the adapter learns on the very tokens that a server will give it.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import HubSource, ModelSpec, PromptSpec
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.cli.common import find_model
from fireside.prompting import Message, Tokenizer, build_prompt, open_tokenizer, stop_ids
from fireside.settings import load_settings
from fireside.weights.locate import locate

IGNORED = -100
"""Label of tokens that are read but not learned, as PyTorch's cross entropy has it."""


class Conversation(msgspec.Struct):
    """One line of the data file."""

    messages: list[Message]


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids: the model reads the prompt and learns the answer, whose last token ends it."""

    prompt: list[int]
    answer: list[int]


def read_conversations(path: Path) -> list[Conversation]:
    """Read a JSONL file. Raises ValueError that names the line and what is wrong with it."""
    conversations = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            conversation = msgspec.json.decode(line, type=Conversation)
        except msgspec.DecodeError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
        if not conversation.messages or conversation.messages[-1].role != "assistant":
            raise ValueError(f"{path.name}, line {number}: the last message is not the assistant's answer")
        conversations.append(conversation)
    if not conversations:
        raise ValueError(f"{path.name} has no examples")
    return conversations


def make_examples(
    conversations: Sequence[Conversation], spec: PromptSpec, tokenizer: Tokenizer, max_tokens: int
) -> list[Example]:
    """An example of each of the assistant's messages. Raises ValueError when one is longer than `max_tokens`."""
    end = next(iter(stop_ids(spec, tokenizer)), None)
    renderer = TemplateRenderer()  # of the model's own template, if its catalog file names that
    examples = []
    for conversation in conversations:
        for turn, message in enumerate(conversation.messages):
            if message.role != "assistant":
                continue
            before, said = conversation.messages[:turn], conversation.messages[: turn + 1]
            prompt = build_prompt(messages=before, spec=spec, tokenizer=tokenizer, renderer=renderer)
            # It ends with the assistant's turn, which a prompt leaves open.
            whole = build_prompt(messages=said, spec=spec, tokenizer=tokenizer, renderer=renderer)
            if whole[: len(prompt)] != prompt or end is None:
                raise ValueError(f"the answer {message.content!r} does not follow its prompt in the style {spec.style}")
            answer = [*whole[len(prompt) :], end]
            if len(prompt) + len(answer) > max_tokens:
                raise ValueError(f"the example ending in {message.content[-40:]!r} is longer than {max_tokens} tokens")
            examples.append(Example(prompt, answer))
    return examples


def make_batch(examples: Sequence[Example]) -> dict[str, torch.Tensor]:
    """`input_ids`, `attention_mask` and `labels`, each int64 [batch, longest], padded on the right."""
    longest = max(len(example.prompt) + len(example.answer) for example in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, example in enumerate(examples):
        start, stop = len(example.prompt), len(example.prompt) + len(example.answer)
        ids[row, :stop] = torch.tensor(example.prompt + example.answer)
        mask[row, :stop] = 1
        labels[row, start:stop] = torch.tensor(example.answer)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def shuffled_batches(
    examples: Sequence[Example], size: int, steps: int, seed: int
) -> Iterator[dict[str, torch.Tensor]]:
    """`steps` batches. Each example comes up once before any comes up again."""
    order = random.Random(seed)  # noqa: S311 - nothing secret
    waiting: list[Example] = []
    for _ in range(steps):
        if len(waiting) < size:
            waiting += order.sample(list(examples), len(examples))
        yield make_batch(waiting[:size])
        del waiting[:size]


def load_base(path: Path) -> PreTrainedModel:
    """The model of a folder with safetensors, or of one GGUF file, in float32."""
    if path.is_file():
        return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)


def train(
    base: PreTrainedModel, config: LoraConfig, batches: Iterator[dict[str, torch.Tensor]], steps: int, rate: float
) -> PeftModel:
    """Train for `steps` batches; the learning rate rises for a tenth of them and then falls to nothing."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: PeftModel = get_peft_model(base, config)
    model.to(device).train()
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
    rising = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rising, (steps - step) / max(1, steps - rising))
    )
    start = time.monotonic()
    for step, batch in enumerate(batches, 1):
        loss = model(**{name: values.to(device) for name, values in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step == 1 or step % 10 == 0 or step == steps:
            print(f"step {step} of {steps}: loss {loss.item():.3f}, {time.monotonic() - start:.0f} s", flush=True)
    return model


def save_adapter(model: PeftModel, base_name: str, folder: Path) -> None:
    """Write the two files of an adapter, the weights in bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.peft_config["default"]
    # PEFT notes where the base was read from, which says nothing on another machine.
    config.base_model_name_or_path = base_name
    config.inference_mode = True
    config.save_pretrained(str(folder))
    tensors = get_peft_model_state_dict(model, save_embedding_layers=False)
    stored = {name: tensor.to("cpu", torch.bfloat16).contiguous() for name, tensor in tensors.items()}
    save_file(stored, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def name_of(spec: ModelSpec) -> str:
    """The base's public name, such as "HuggingFaceTB/SmolLM2-135M-Instruct"."""
    if isinstance(spec.source, HubSource):
        return spec.source.repo
    return (spec.info_url or spec.id).removeprefix("https://huggingface.co/")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a LoRA adapter for a model of Fireside's catalog.")
    parser.add_argument("--data", type=Path, required=True, help='JSONL: {"messages": [{"role", "content"}, ...]}')
    parser.add_argument("--out", type=Path, required=True, help="folder for the adapter's two files")
    parser.add_argument("--model", help="base model, as fireside pull names it (the default model)")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--modules", default="q_proj,v_proj", help="linears to adapt (q_proj,v_proj)")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=4, help="examples in a step (4)")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate (0.002)")
    parser.add_argument("--max-tokens", type=int, default=512, help="longest example (512)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    settings = load_settings()
    spec = find_model(Catalog.from_settings(settings), options.model or settings.default_model)
    path = locate(settings.data_dir, spec)
    if path is None:
        parser.error(f"{spec.id} has no weights to train on")
    tokenizer = open_tokenizer(path)
    examples = make_examples(read_conversations(options.data), spec.prompt, tokenizer, options.max_tokens)
    print(f"{len(examples)} answers to learn from, {sum(len(example.answer) for example in examples)} tokens")

    torch.manual_seed(options.seed)
    config = LoraConfig(
        r=options.rank, lora_alpha=2 * options.rank, target_modules=options.modules.split(","), task_type="CAUSAL_LM"
    )
    batches = shuffled_batches(examples, options.batch, options.steps, options.seed)
    save_adapter(train(load_base(path), config, batches, options.steps, options.rate), name_of(spec), options.out)
    print(f"The adapter is in {options.out}. Next: fireside finetune create NAME {options.out}")


if __name__ == "__main__":
    main()
