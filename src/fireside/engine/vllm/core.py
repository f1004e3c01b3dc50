"""vLLM's engine core in this process: the one module that calls vLLM's own, unpromised interface.

`EngineCore` is what vLLM's own servers run in a process beside them (`vllm/v1/engine/core.py`), stepped here by
Fireside's loop: no process, no socket and no detokenizer between the step and our frames. Run on vLLM 0.32; the
source of 0.24 was compared.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from fireside.engine.memory import machine_memory
from fireside.engine.protocol import Progress
from fireside.engine.vllm.options import VllmOptions

_IDLE_SECONDS = 0.001
"""Pause after a step that ran nothing, as in vLLM's own loop."""

_PHASES = {
    "Starting to load model": "loading the weights",
    "Loading weights took": "preparing the model",
    "torch.compile": "compiling the model",
    "KV cache": "making the KV cache",
    "Graph capturing": "capturing CUDA graphs",
}
"""What vLLM logs while it loads, and the phase that it means."""


def prepare_environment(options: VllmOptions) -> None:
    """Set the variables that vLLM and PyTorch read when they are imported. What the operator has set stays."""
    os.environ.update(
        VLLM_ENABLE_V1_MULTIPROCESSING="0",  # the engine core runs in this process
        VLLM_WORKER_MULTIPROC_METHOD="spawn",  # a fork would copy threads and descriptors
        VLLM_NO_USAGE_STATS="1",
        DO_NOT_TRACK="1",
        HF_HUB_OFFLINE="1",
        TRANSFORMERS_OFFLINE="1",
    )
    if options.cache_dir:
        caches = Path(options.cache_dir) / "vllm"
        os.environ.setdefault("VLLM_CACHE_ROOT", str(caches))
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(caches / "inductor"))
        os.environ.setdefault("TRITON_CACHE_DIR", str(caches / "triton"))
    if options.exact:
        os.environ["VLLM_BATCH_INVARIANT"] = "1"
    threads = options.threads or len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # vLLM's own binding wants a NUMA node per worker
    # Worker processes must not run this process's main module again: they could not import it, nor should they.
    main = sys.modules["__main__"]
    main.__spec__ = None
    vars(main).pop("__file__", None)


class Core:
    """A loaded model. All calls from one thread."""

    def __init__(self, options: VllmOptions, progress: Progress) -> None:
        prepare_environment(options)
        progress("importing vLLM", 0, 0)
        from vllm.v1.engine.core import EngineCore
        from vllm.v1.executor import Executor

        progress("reading the configuration", 0, 0)
        config = engine_config(options)
        with _LoadLog(progress):
            self._core = EngineCore(config, Executor.get_class(config), log_stats=False)
        self.context_length = int(config.model_config.max_model_len)
        self.max_num_seqs = int(config.scheduler_config.max_num_seqs)
        self.vocab_size = int(config.model_config.get_vocab_size())
        manager: Any = self._core.structured_output_manager
        manager.backend = _Bitmasks(self.vocab_size)
        manager.grammar_init = lambda request: None  # grammars come compiled, see `add`

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do, be it to clear away what has ended."""
        return self._core.scheduler.has_requests() or bool(self._core.batch_queue)

    def add(
        self,
        request_id: str,
        prompt_ids: list[int],
        params: Any,
        *,
        salt: str,
        lora: tuple[str, int, str] | None = None,
        grammar: Any = None,
    ) -> None:
        """Hand a request to vLLM's scheduler.

        Args:
            params: a `SamplingParams`.
            salt: of the prefix cache.
            lora: the adapter's name, number and folder; it has been added.
            grammar: a `StructuredOutputGrammar`, compiled.
        """
        from vllm.sampling_params import StructuredOutputsParams
        from vllm.v1.engine import EngineCoreRequest

        if grammar is not None:
            params.structured_outputs = StructuredOutputsParams(grammar="compiled already")
        made, wave = self._core.preprocess_add_request(
            EngineCoreRequest(
                request_id=request_id,
                prompt_token_ids=prompt_ids,
                mm_features=None,
                sampling_params=params,
                pooling_params=None,
                arrival_time=time.time(),
                lora_request=None if lora is None else _lora_request(*lora),
                cache_salt=salt,
                data_parallel_rank=None,
            )
        )
        if grammar is not None:
            made.structured_output_request.grammar = grammar
        self._core.add_request(made, wave)

    def abort(self, request_id: str) -> None:
        """End a request; one that has ended is no error."""
        self._core.abort_requests([request_id])

    def step(self) -> list[Any]:
        """Run one step; its `EngineCoreOutput`s. Whatever it raises leaves the core unusable."""
        outputs, executed = self._core.step_fn()
        self._core.post_step(model_executed=executed)
        if not executed and not outputs and self._core.scheduler.has_unfinished_requests():
            time.sleep(_IDLE_SECONDS)
        return outputs[0].outputs if outputs and 0 in outputs else []

    def add_lora(self, name: str, number: int, folder: str) -> None:
        """Read an adapter into memory; no step runs meanwhile. Raises what vLLM raises, and is as it was before."""
        self._core.add_lora(_lora_request(name, number, folder))

    def remove_lora(self, number: int) -> None:
        self._core.remove_lora(number)


def engine_config(options: VllmOptions) -> Any:
    """vLLM's configuration. The context is shortened, where needed, to what the model and the memory allow."""
    from vllm.engine.arg_utils import EngineArgs
    from vllm.platforms import current_platform

    kv_memory = options.kv_memory or (machine_memory() // 4 if current_platform.is_cpu() else None)
    arguments: dict[str, Any] = {
        "model": options.model_path,
        "skip_tokenizer_init": True,
        "dtype": options.dtype,
        "quantization": options.quantization or None,
        "kv_cache_dtype": options.kv_cache_dtype,
        "tensor_parallel_size": options.tensor_parallel_size,
        "pipeline_parallel_size": options.pipeline_parallel_size,
        "gpu_memory_utilization": options.gpu_memory_utilization,
        "kv_cache_memory_bytes": kv_memory,
        "max_num_seqs": options.max_num_seqs,
        "max_num_batched_tokens": options.max_num_batched_tokens or None,
        "block_size": options.block_size or None,
        "enforce_eager": options.enforce_eager,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "use_tqdm_on_load": False,
        "disable_log_stats": True,
        "seed": 0,
    }
    if options.max_loras:
        arguments |= {
            "enable_lora": True,
            # On the CPU, vLLM adds its last slot's adapter to requests that have none (index -1 of
            # `vllm/lora/ops/torch_ops/lora_ops.py`): that slot must stay empty.
            "max_loras": options.max_loras + current_platform.is_cpu(),
            "max_cpu_loras": cached_loras(options) + current_platform.is_cpu(),
            "max_lora_rank": lora_rank(options.max_lora_rank),
        }
    own_length = EngineArgs(**arguments).create_model_config().max_model_len
    config = EngineArgs(**arguments, max_model_len=min(options.context_length, own_length)).create_engine_config()
    config.model_config.original_max_model_len = -1  # if memory does not hold one such context, take what it holds
    return config


def cached_loras(options: VllmOptions) -> int:
    """Adapters that stay in memory, those in use among them; on the CPU none but those that leave a slot empty."""
    from vllm.platforms import current_platform

    return options.max_loras if current_platform.is_cpu() else 4 * options.max_loras


def lora_rank(rank: int) -> int:
    """The smallest of vLLM's maximum ranks that holds this one."""
    return next(one for one in (8, 16, 32, 64, 128, 256, 320, 512) if one >= rank)


def _lora_request(name: str, number: int, folder: str) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(lora_name=name, lora_int_id=number, lora_path=folder)


class _Bitmasks:
    """What is left of vLLM's structured output backend when grammars come compiled."""

    def __init__(self, vocab_size: int) -> None:
        self._words = (vocab_size + 31) // 32

    def allocate_token_bitmask(self, max_num_seqs: int) -> Any:
        import torch

        return torch.full((max_num_seqs, self._words), -1, dtype=torch.int32)

    def destroy(self) -> None: ...


class _LoadLog(logging.Handler):
    """While vLLM loads, its log says how far it is: to `progress`, and from warnings on to the server's log.

    An operator who sets VLLM_LOGGING_LEVEL gets the log as vLLM writes it.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._progress = progress
        if "VLLM_LOGGING_LEVEL" not in os.environ:
            for handler in logging.getLogger("vllm").handlers:
                handler.setLevel(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        for begins, phase in _PHASES.items():
            if begins in text:
                self._progress(phase, 0, 0)

    def __enter__(self) -> None:
        logging.getLogger("vllm").addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("vllm").removeHandler(self)
