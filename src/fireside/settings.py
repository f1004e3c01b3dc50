"""Every setting, once: defaults, environment variables (FIRESIDE_*), command-line flags and docs come from here."""

import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fireside.errors import ConfigError


def default_data_dir() -> Path:
    """Default folder for models, caches and the database: the platform's place for user data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fireside"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fireside"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "fireside"


class Settings(BaseSettings):
    """All settings. Immutable; created once at start by `load_settings`."""

    model_config = SettingsConfigDict(env_prefix="FIRESIDE_", frozen=True, extra="ignore")

    host: Annotated[str, Field(description="Address to listen on. Anything but loopback needs a token to exist.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 picks a free one.")] = 8787
    allowed_origins: Annotated[
        str,
        Field(
            pattern=r"^(\*|(https?://[^/\s,*]+)(\s*,\s*https?://[^/\s,*]+)*)?$",
            description="Origins whose web pages may call this server, separated by commas: https://app.example, "
            "http://localhost:5173. `*` allows every page, and takes effect only once a token exists. Off by default.",
        ),
    ] = ""
    data_dir: Annotated[Path, Field(description="Folder for models, caches and the database.")] = Field(
        default_factory=default_data_dir
    )
    database_url: Annotated[
        str,
        Field(
            description="Database of accounts, tokens, usage and fine-tunes. Default: the file DATA_DIR/fireside.db. "
            "PostgreSQL, for several servers: postgresql://user:password@host/name."
        ),
    ] = ""
    blob_url: Annotated[
        str,
        Field(
            description="Where fine-tune files are stored. Default: the folder DATA_DIR/finetunes. An "
            "S3-compatible bucket: s3://bucket/prefix, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and "
            "AWS_ENDPOINT_URL."
        ),
    ] = ""
    catalog_dir: Annotated[
        Path | None, Field(description="Folder with your own catalog files (TOML). Default: DATA_DIR/catalog.")
    ] = None
    default_model: Annotated[str, Field(description="Model to load at start.")] = (
        "@hf/huggingfacetb/smollm2-135m-instruct"
    )
    stand_in: Annotated[
        str | None,
        Field(
            description="Model that answers for models whose weights are missing; `family`: the one made for the "
            "model's family. Or rules, such as `@cf/qwen/*=family,*guard*=@hf/me/guard`. Off by default; such answers "
            "carry the header fireside-served-by."
        ),
    ] = None
    vllm_python: Annotated[
        str,
        Field(
            description="Python interpreter of an environment with vLLM. Default: the one that "
            "`fireside engine install vllm` makes in the data folder."
        ),
    ] = ""
    loaded_models: Annotated[
        int, Field(ge=1, description="Maximum number of models in memory; the least recently used is evicted.")
    ] = 3
    threads: Annotated[int, Field(ge=0, description="Compute threads per engine; 0 means one per core.")] = 0
    queue_size: Annotated[
        int,
        Field(ge=0, description="Maximum number of requests per account and model that may wait; more are rejected."),
    ] = 512
    kv_memory_mb: Annotated[
        int,
        Field(ge=0, description="Maximum memory for a model's KV cache, in MiB; 0 means a quarter of the machine's."),
    ] = 0
    adapter_memory_mb: Annotated[
        int,
        Field(ge=1, description="Maximum memory for a model's fine-tunes, in MiB; the least recently used is evicted."),
    ] = 1024
    context_length: Annotated[
        int,
        Field(ge=0, description="Maximum context window of every model, in tokens; 0 keeps each model's own."),
    ] = 0
    max_body_bytes: Annotated[int, Field(ge=1024, description="Maximum size of a request body, in bytes.")] = (
        8 * 1024 * 1024
    )
    connections: Annotated[
        int, Field(ge=1, description="Maximum number of connections; lower where the system allows fewer open files.")
    ] = 4096
    connections_per_peer: Annotated[int, Field(ge=1, description="Maximum number of connections from one address.")] = (
        2048
    )
    account_requests: Annotated[int, Field(ge=1, description="Maximum number of running requests per account.")] = 640
    account_body_mb: Annotated[
        int, Field(ge=1, description="Maximum memory for the bodies of an account's running requests, in MiB.")
    ] = 64
    batch_requests: Annotated[
        int,
        Field(
            ge=1,
            description="Maximum number of requests in an account's batches; the oldest finished go first.",
        ),
    ] = 1000
    batch_seconds: Annotated[
        float, Field(gt=0, description="How long the results of a batch are kept, in seconds.")
    ] = 86400.0
    finetune_max_mb: Annotated[
        int, Field(ge=1, description="Maximum size of a fine-tune file, in millions of bytes.")
    ] = 300
    finetune_max_rank: Annotated[int, Field(ge=1, le=1024, description="Maximum rank of a fine-tune.")] = 32
    finetune_account_mb: Annotated[
        int, Field(ge=0, description="Maximum total size of an account's fine-tunes, in millions of bytes.")
    ] = 10_000
    finetune_uploads: Annotated[
        int, Field(ge=1, description="Maximum number of concurrent fine-tune uploads per account.")
    ] = 8
    finetunes_per_account: Annotated[int, Field(ge=0, description="Maximum number of fine-tunes per account.")] = 100
    request_timeout: Annotated[float, Field(gt=0, description="Time limit for a request, in seconds.")] = 3600.0
    body_timeout: Annotated[
        float, Field(gt=0, description="Time limit for receiving a request's body, in seconds.")
    ] = 30.0
    keep_alive_seconds: Annotated[
        float, Field(gt=0, description="Seconds of silence after which a stream sends an SSE comment.")
    ] = 10.0
    header_timeout: Annotated[
        float, Field(gt=0, description="Time limit for receiving a request's headers, in seconds.")
    ] = 10.0
    idle_timeout: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds that a connection may stay idle between two requests. Keep it above the proxy's own "
            "timeout (nginx, most load balancers: 60), or a request may meet a connection being closed.",
        ),
    ] = 75.0
    write_timeout: Annotated[
        float, Field(gt=0, description="Seconds without reading after which a streaming client is disconnected.")
    ] = 30.0
    functions: Annotated[
        bool,
        Field(
            description="Run the JavaScript in a request's `functions`, in a sandbox. Off: such requests are rejected."
        ),
    ] = False
    function_rounds: Annotated[
        int, Field(ge=1, le=32, description="Maximum rounds of function calls before the model must answer.")
    ] = 4
    function_seconds: Annotated[
        float, Field(gt=0, le=3600, description="CPU time limit for one function call, in seconds.")
    ] = 1.0
    function_memory_mb: Annotated[
        int, Field(ge=4, le=4095, description="Memory limit for one function call, in MiB.")
    ] = 32
    stream_padding: Annotated[
        bool,
        Field(description="Pad stream frames to random lengths, to hide token lengths from observers."),
    ] = False
    web_downloads: Annotated[bool, Field(description="Offer model downloads on the web pages.")] = True
    drain_seconds: Annotated[
        float, Field(ge=0, description="How long shutdown waits for running answers, in seconds.")
    ] = 30.0
    echo_tokens_per_second: Annotated[
        float, Field(ge=0, description="Speed of the echo engine, in tokens per second; 0 is unlimited.")
    ] = 0.0

    @property
    def cache_dir(self) -> Path:
        """Folder for repacked weights."""
        return self.data_dir / "cache"


_OTHERS = frozenset({"token", "url", "account", "test_model", "write_compatibility"})
"""Variables used by clients and tests rather than the server."""


def unknown_settings(variables: Iterable[str]) -> list[str]:
    """One message for each environment variable that looks like a setting but is unknown, such as a misspelling."""
    found = []
    for name in sorted(variables):
        setting = name.lower().removeprefix("fireside_")
        if setting == name.lower() or setting in _OTHERS or setting in Settings.model_fields:
            continue
        near = difflib.get_close_matches(setting, Settings.model_fields, n=1)
        hint = f"Did you mean FIRESIDE_{near[0].upper()}?" if near else "The documentation lists all of them."
        found.append(f"Unknown setting {name} has no effect. {hint}")
    return found


def load_settings(**flags: object) -> Settings:
    """Settings from flags, then the environment, then defaults. Raises ConfigError naming each wrong setting."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, problem['loc']))} (FIRESIDE_{'_'.join(map(str, problem['loc'])).upper()}): "
            f"{problem['msg']}, got {problem['input']!r}"
            for problem in error.errors()
        ]
        raise ConfigError("Invalid settings: " + "; ".join(lines)) from error
