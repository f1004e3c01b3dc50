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
    """Where models, caches and the database live when nothing else is said: the platform's place for user data."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fireside"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fireside"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "fireside"


class Settings(BaseSettings):
    """Frozen; made once at start by `load_settings`."""

    model_config = SettingsConfigDict(env_prefix="FIRESIDE_", frozen=True, extra="ignore")

    host: Annotated[str, Field(description="Address to listen on. Anything but loopback needs a token to exist.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8787
    allowed_origins: Annotated[
        str,
        Field(
            pattern=r"^(\*|(https?://[^/\s,*]+)(\s*,\s*https?://[^/\s,*]+)*)?$",
            description="Origins whose web pages may call this server, separated by commas: https://app.example, "
            "http://localhost:5173. `*` means every page, and counts only once there are tokens. Off by default.",
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
            description="Where files of fine-tunes are kept. Default: the folder DATA_DIR/finetunes. An "
            "S3-compatible bucket: s3://bucket/prefix, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and "
            "AWS_ENDPOINT_URL."
        ),
    ] = ""
    catalog_dir: Annotated[
        Path | None, Field(description="Folder of your own model TOML files. Default: DATA_DIR/catalog.")
    ] = None
    default_model: Annotated[str, Field(description="Model that is loaded at start.")] = (
        "@hf/huggingfacetb/smollm2-135m-instruct"
    )
    stand_in: Annotated[
        str | None,
        Field(
            description="Answer with this model wherever a request names a model whose weights are not here. "
            "Off by default; answers say so in the header fireside-served-by."
        ),
    ] = None
    loaded_models: Annotated[
        int, Field(ge=1, description="Most models in memory at once; the one unused for longest makes way for another.")
    ] = 3
    threads: Annotated[int, Field(ge=0, description="Threads for arithmetic per engine; 0 means one per core.")] = 0
    queue_size: Annotated[
        int, Field(ge=0, description="Requests of one account that may wait per model before new ones are refused.")
    ] = 512
    kv_memory_mb: Annotated[
        int, Field(ge=0, description="Most memory for a model's KV cache, in MiB; 0 means a quarter of this machine's.")
    ] = 0
    adapter_memory_mb: Annotated[
        int,
        Field(ge=1, description="Most memory for a model's fine-tunes, in MiB; the one unused for longest makes way."),
    ] = 1024
    context_length: Annotated[
        int,
        Field(ge=0, description="Limit every model's context window to this many tokens; 0 keeps each model's own."),
    ] = 0
    max_body_bytes: Annotated[int, Field(ge=1024, description="Largest request body.")] = 8 * 1024 * 1024
    connections: Annotated[
        int, Field(ge=1, description="Most connections at once; fewer where the system allows fewer open files.")
    ] = 4096
    connections_per_peer: Annotated[int, Field(ge=1, description="Most connections from one address.")] = 2048
    account_requests: Annotated[int, Field(ge=1, description="Most requests that an account may have under way.")] = 640
    account_body_mb: Annotated[
        int, Field(ge=1, description="Most memory for the bodies of an account's requests under way, in MiB.")
    ] = 64
    batch_requests: Annotated[
        int,
        Field(
            ge=1, description="Most requests in an account's batches; the oldest that are done make way for new ones."
        ),
    ] = 1000
    batch_seconds: Annotated[float, Field(gt=0, description="Seconds that the results of a batch are kept.")] = 86400.0
    finetune_max_mb: Annotated[int, Field(ge=1, description="Largest file of a fine-tune, in millions of bytes.")] = 300
    finetune_max_rank: Annotated[int, Field(ge=1, le=1024, description="Largest rank of a fine-tune.")] = 32
    finetune_account_mb: Annotated[
        int, Field(ge=0, description="Most bytes of one account's fine-tunes together, in millions.")
    ] = 10_000
    finetune_uploads: Annotated[
        int, Field(ge=1, description="Files of fine-tunes that one account may upload at the same time.")
    ] = 8
    finetunes_per_account: Annotated[int, Field(ge=0, description="Most fine-tunes that one account may have.")] = 100
    request_timeout: Annotated[float, Field(gt=0, description="Most seconds for one request.")] = 3600.0
    body_timeout: Annotated[float, Field(gt=0, description="Most seconds for a request's body to arrive.")] = 30.0
    keep_alive_seconds: Annotated[
        float, Field(gt=0, description="A stream with nothing to say for this long sends an SSE comment.")
    ] = 10.0
    header_timeout: Annotated[float, Field(gt=0, description="Most seconds for a request's headers to arrive.")] = 10.0
    idle_timeout: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds that a connection may stay idle between two requests. Keep it above that of a proxy "
            "in front (nginx, most load balancers: 60), which else sends a request into a connection being closed.",
        ),
    ] = 75.0
    write_timeout: Annotated[
        float, Field(gt=0, description="A streaming client that reads nothing for this many seconds is dropped.")
    ] = 30.0
    functions: Annotated[
        bool,
        Field(description="Run the JavaScript that requests give in functions, in a sandbox. Off: they are refused."),
    ] = False
    function_rounds: Annotated[
        int, Field(ge=1, le=32, description="How often the model may call functions before it has to answer.")
    ] = 4
    function_seconds: Annotated[
        float, Field(gt=0, le=3600, description="Most processor time for one call of a function, in seconds.")
    ] = 1.0
    function_memory_mb: Annotated[
        int, Field(ge=4, le=4095, description="Most memory for one call of a function, in MiB.")
    ] = 32
    stream_padding: Annotated[
        bool,
        Field(description="Pad stream frames to random lengths, so that who watches the line cannot guess the tokens."),
    ] = False
    web_downloads: Annotated[bool, Field(description="Offer on the web pages to download models of the catalog.")] = (
        True
    )
    drain_seconds: Annotated[float, Field(ge=0, description="On shutdown, wait this long for running answers.")] = 30.0
    echo_tokens_per_second: Annotated[float, Field(ge=0, description="Speed of the echo engine; 0 is unlimited.")] = 0.0

    @property
    def cache_dir(self) -> Path:
        """Folder of repacked weights."""
        return self.data_dir / "cache"


_OTHERS = frozenset({"token", "url", "account", "test_model", "write_compatibility"})
"""Variables of clients and of the tests, which are no settings."""


def unknown_settings(variables: Iterable[str]) -> list[str]:
    """One sentence for each environment variable that looks like a setting and is none, as a misspelt one does."""
    found = []
    for name in sorted(variables):
        setting = name.lower().removeprefix("fireside_")
        if setting == name.lower() or setting in _OTHERS or setting in Settings.model_fields:
            continue
        near = difflib.get_close_matches(setting, Settings.model_fields, n=1)
        hint = f"Did you mean FIRESIDE_{near[0].upper()}?" if near else "The documentation lists all of them."
        found.append(f"There is no setting {name}, so it changes nothing. {hint}")
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
        raise ConfigError("Wrong settings: " + "; ".join(lines)) from error
