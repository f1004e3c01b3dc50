"""The checks of `fireside doctor`."""

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from fireside.api.http.server import listen
from fireside.catalog.loader import Catalog
from fireside.catalog.spec import ModelSpec
from fireside.cli.common import open_store, store_path
from fireside.cli.format import size_text
from fireside.disk import free_bytes, nearest_folder
from fireside.engine.memory import machine_memory
from fireside.engine.vllm.environment import has_gpu, inspect, problems, python_of
from fireside.errors import FiresideError, for_operators
from fireside.prompting import Vocabulary, open_tokenizer, stop_ids
from fireside.prompting.prompt import control_texts
from fireside.running import running_servers
from fireside.serving.engine_options import check_requirements, engine_options
from fireside.settings import Settings
from fireside.weights.facts import check_facts
from fireside.weights.locate import is_downloaded, locate, size_on_disk
from fireside.weights.open import open_checkpoint

SMALL_MEMORY = 4 * 10**9
SMALL_DISK = 2 * 10**9
# What speeds 8-bit and 4-bit arithmetic up, best first; any of them is enough.
_FAST_FLAGS = ("avx512_vnni", "avx_vnni", "avx512f", "avx2", "i8mm", "asimddp")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. "note" is worth knowing, but nothing stops working."""

    state: Literal["ok", "note", "bad"]
    name: str
    text: str
    next_step: str = ""


def all_checks(settings: Settings) -> Iterator[Finding]:
    """Check one thing after another."""
    yield check_python()
    yield check_cpu()
    yield check_memory()
    yield check_gpu(settings)
    yield check_runtime()
    yield check_data_dir(settings.data_dir)
    yield check_disk(settings.data_dir)
    yield _guarded("database", lambda: check_store(settings))
    yield _guarded("port", lambda: check_port(settings))
    try:
        specs = Catalog.from_settings(settings).all()
    except FiresideError as error:
        yield Finding("bad", "catalog", for_operators(error))
        return
    yield Finding("ok", "catalog", f"{len(specs)} models")
    yield from (_guarded("model", lambda spec=spec: check_model(settings, spec)) for spec in specs)  # type: ignore[misc]


def check_python() -> Finding:
    """Whether this Python is new enough, and made for the whole machine."""
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.maxsize < 2**32:
        return Finding("bad", "python", f"{text}, 32 bits", "Install a 64-bit Python.")
    return Finding("ok", "python", text)


def check_cpu() -> Finding:
    """How many cores this process may use, and what they can do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    flags = cpu_flags()
    fast = [flag for flag in _FAST_FLAGS if flag in flags]
    text = f"{cores} {'core' if cores == 1 else 'cores'}"
    if not flags:
        return Finding("ok", "cpu", text)
    if not fast:
        return Finding("note", "cpu", f"{text}, no fast arithmetic on small integers", "Answers will be slow here.")
    return Finding("ok", "cpu", f"{text}, {', '.join(fast)}")


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Names of the processor's features; empty where the system does not tell (it is Linux that does)."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return frozenset(value.split())
    return frozenset()


def check_memory() -> Finding:
    """Whether there is memory for more than the smallest models."""
    memory = machine_memory()
    if memory < SMALL_MEMORY:
        step = "Small models run. A 7B model in 4 bits needs about 8 GB."
        return Finding("note", "memory", size_text(memory), step)
    return Finding("ok", "memory", size_text(memory))


def check_gpu(settings: Settings) -> Finding:
    """Whether there is a GPU, and vLLM, which uses it."""
    if not has_gpu():
        return Finding("ok", "gpu", "no; none is needed")
    python = python_of(settings)
    found = inspect(python)
    if found is None or not found.vllm:
        return Finding("note", "gpu", "yes, but vLLM is not installed", "fireside engine install vllm")
    if missing := list(problems(python)):
        return Finding("note", "gpu", missing[0])
    return Finding("ok", "gpu", f"yes, with vLLM {found.vllm} and torch {found.torch}")


def check_runtime() -> Finding:
    """Whether ONNX Runtime works."""
    try:
        import onnxruntime

        providers = onnxruntime.get_available_providers()
    except (ImportError, OSError) as error:
        return Finding("bad", "onnxruntime", f"does not load: {error}", "Install it: pip install onnxruntime")
    if "CPUExecutionProvider" not in providers:
        step = "Install the ordinary package: pip install onnxruntime"
        return Finding("bad", "onnxruntime", f"{onnxruntime.__version__} cannot compute on the CPU", step)
    return Finding("ok", "onnxruntime", onnxruntime.__version__)


def check_data_dir(folder: Path) -> Finding:
    """Whether files can be made in the data folder."""
    try:
        with tempfile.TemporaryFile(dir=nearest_folder(folder)):
            pass
    except OSError as error:
        step = "Make it writable for you, or choose another with FIRESIDE_DATA_DIR."
        return Finding("bad", "data folder", f"{folder}: {error.strerror or error}", step)
    return Finding("ok", "data folder", f"{folder}, {'writable' if folder.exists() else 'not there yet, can be made'}")


def check_disk(folder: Path) -> Finding:
    """Whether there is room for models where the data folder is, or would be."""
    free = free_bytes(folder)
    if free < SMALL_DISK:
        return Finding("note", "disk", f"{size_text(free)} free", "Free some before you download a model.")
    return Finding("ok", "disk", f"{size_text(free)} free")


def check_store(settings: Settings) -> Finding:
    """Whether the database opens, and who may call."""
    if not settings.database_url and not store_path(settings).exists():
        return Finding("ok", "database", "none yet; on loopback, everyone on this machine may call")
    with open_store(settings) as store:
        active = sum(record.revoked_at is None for record in store.list_tokens())
        if not store.has_tokens():
            return Finding("ok", "database", "opens; no tokens: on loopback, everyone on this machine may call")
    return Finding("ok", "database", f"opens; {active} active {'token' if active == 1 else 'tokens'}")


def check_port(settings: Settings) -> Finding:
    """Whether the server could listen, or does so already. Raises ConfigError."""
    for server in running_servers(settings.data_dir):
        if urlsplit(server.url).port == settings.port:
            return Finding("ok", "port", f"the server of this data folder listens at {server.url}")
    listen(settings).close()
    return Finding("ok", "port", f"{settings.host}:{settings.port} is free")


def check_model(settings: Settings, spec: ModelSpec) -> Finding:
    """Whether a model's files are here and sound, as far as their headers tell. Raises FiresideError leaves."""
    if not is_downloaded(settings.data_dir, spec):
        wanted = settings.default_model in spec.names
        step = f"`fireside serve` fetches it, or: fireside pull {spec.id}" if wanted else ""
        return Finding("note" if wanted else "ok", "model", f"{spec.id}: not downloaded", step)
    path = locate(settings.data_dir, spec)
    check_requirements(spec, engine_options(spec, settings, path))
    if path is None:
        return Finding("ok", "model", f"{spec.id}: needs no files")
    try:
        if spec.engine.reads_weights:
            check_facts(spec, path)
        embedded = open_checkpoint(path).config.vocab_size if spec.engine.reads_weights else None
        tokenizer = open_tokenizer(path)
        stop_ids(spec.prompt, tokenizer)
        known = tokenizer.vocab_size if embedded is None else embedded
    except FiresideError as error:
        error.add_note(f"The files of {spec.id}: {path}")
        raise
    size = size_text(size_on_disk(settings.data_dir, spec))
    if missing := sorted(text for text in control_texts(spec.prompt) if not _has(tokenizer, text, known)):
        step = "Choose another prompt.style in its catalog file, or send raw prompts only."
        return Finding("note", "model", f"{spec.id}: {size}; its style needs {missing[0]}, which it lacks", step)
    if known < tokenizer.vocab_size:
        text = f"{spec.id}: {size}; {tokenizer.vocab_size - known} tokens of its tokenizer have no weights"
        return Finding("note", "model", text, "Prompts that hold one are refused.")
    return Finding("ok", "model", f"{spec.id}: sound, {size}")


def _has(tokenizer: Vocabulary, text: str, known: int) -> bool:
    token = tokenizer.special_id(text)
    return token is not None and token < known


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except FiresideError as error:
        return Finding("bad", name, for_operators(error))
