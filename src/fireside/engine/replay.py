"""The replay engine: prepared answers, for tests that need specific ones without weights.

They are in a JSON Lines file, `{"prompt": …, "answer": …}`. A request gets the answer of the longest `prompt` that its
own prompt ends with; `""` answers all others. If there are several answers, the seed chooses one. Everything else is as
in the echo engine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from fireside.engine.echo import EchoOptions
from fireside.engine.engine_type import EngineType
from fireside.engine.protocol import Progress
from fireside.engine.runner import Runner
from fireside.engine.types import GenerationRequest
from fireside.errors import CatalogError, InvalidInput

if TYPE_CHECKING:
    from fireside.settings import Settings

MAX_BYTES = 16 * 1024 * 1024
SHOWN = 60
"""How many characters of a prompt's end an error shows."""


class ReplayOptions(EchoOptions, frozen=True, kw_only=True):
    """Options of the replay engine.

    Args:
        answers: path of the answers' file, relative to `folder` or absolute.
        folder: the folder of the catalog files.
    """

    answers: Annotated[str, Meta(min_length=1)]
    folder: str = ""

    @property
    def path(self) -> Path:
        return Path(self.folder, Path(self.answers).expanduser())


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    prompt: str
    answer: str | Annotated[list[str], Meta(min_length=1)]


class Answers:
    """The answers in a file. Raises CatalogError, which names the line, or OSError."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        if path.stat().st_size > MAX_BYTES:
            raise CatalogError(f"{path.name}: larger than {MAX_BYTES:,} bytes. Split the model in two.")
        answers: dict[bytes, list[bytes]] = {}
        decoder = msgspec.json.Decoder(_Line)
        for number, text in enumerate(path.read_bytes().splitlines(), start=1):
            if not text.strip():
                continue
            try:
                line = decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CatalogError(
                    f'{path.name}: line {number}: {error}. It should be {{"prompt": …, "answer": …}}.'
                ) from None
            said = [line.answer] if isinstance(line.answer, str) else line.answer
            answers[line.prompt.encode()] = [one.encode() for one in said]
        self._answers = sorted(answers.items(), key=lambda item: len(item[0]), reverse=True)

    def ids(self, request: GenerationRequest) -> list[int]:
        """The bytes of the answer. Raises InvalidInput if there is none for this prompt."""
        asked = bytes(token for token in request.prompt_ids if token < 256)
        for prompt, answers in self._answers:
            if asked.endswith(prompt):
                seed = request.sampling.seed if request.sampling.temperature else None
                return list(answers[(seed or 0) % len(answers)])
        end = asked.decode(errors="replace")[-SHOWN:]
        raise InvalidInput(
            [
                f"prompt: {self._name} has no answer for a prompt that ends with {end!r}. Add a line for it, or one "
                'with the prompt "", which answers all others.'
            ]
        )


def _from_settings(settings: "Settings", *, lora: bool) -> Mapping[str, Any]:
    folder = settings.catalog_dir or settings.data_dir / "catalog"
    return {"tokens_per_second": settings.echo_tokens_per_second, "folder": str(folder)}


def _requirements(options: ReplayOptions) -> Sequence[str]:
    return [] if options.path.is_file() else [f"engine.answers: there is no file {options.answers}. Create it."]


def _make_runner(options: ReplayOptions, progress: Progress) -> Runner:
    from fireside.engine.echo.runner import EchoRunner

    return EchoRunner(options, Answers(options.path).ids)


ENGINE = EngineType(
    kind="replay",
    options=ReplayOptions,
    make_runner=_make_runner,
    from_settings=_from_settings,
    requirements=_requirements,
    lacks={"adapter": "LoRA adapters"},
    reads_weights=False,
)
