"""`make reference`: write the parts of the documentation that the code knows best.

Each stands between two comments in its page. A test fails when one is not what the code says.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tools.locks import ROOT
from typer.main import get_command

from fireside.catalog.loader import Catalog
from fireside.catalog.spec import HubSource, Unavailable
from fireside.chat.formats import ChatFormat, formats
from fireside.chat.tools import HERMES
from fireside.cli.main import app
from fireside.serving.costs import cost_of
from fireside.settings import Settings

BEGIN, END = "<!-- Made by `make reference`. -->\n\n", "\n<!-- End. -->"


def settings_table() -> str:
    """One row for each setting."""
    rows = ["| environment variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or field.default_factory else field.default
        shown = "" if default in ("", None) else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        rows.append(f"| `FIRESIDE_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows) + "\n"


def costs_table() -> str:
    """One row for each model with weights: what its plan says that it takes."""
    rows = [
        "| model | download | disk | memory | each further token of context | read per token |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as nothing_here:
        for spec in Catalog.load().all():
            cost = cost_of(spec, Path(nothing_here))
            shortest = cost_of(spec.model_copy(update={"context_length": 1}), Path(nothing_here))
            if cost.download and cost.disk and cost.memory and cost.step and shortest.memory:
                context = (cost.memory - shortest.memory) / (min(4096, spec.context_length) - 1)
                amounts = [f"{amount / 1e9:.1f} GB" for amount in (cost.download, cost.disk, cost.memory)]
                rows.append(
                    f"| `{spec.id}` | {' | '.join(amounts)} | {context / 1e3:.0f} kB | {cost.step / 1e9:.2f} GB |"
                )
    return "\n".join(rows) + "\n"


def retired_table() -> str:
    """One row for each model that the hosted service has retired."""
    rows = ["| id | retired | license | context | hosted | here |", "|---|---|---|---|---|---|"]
    for spec in Catalog.load().all():
        if spec.retired is None:
            continue
        names = "<br>".join(f"`{name}`" for name in spec.names)
        hosted = f"{spec.hosted_context:,}" if spec.hosted_context else ""
        match spec.source:
            case Unavailable(reason=reason):
                here = reason
            case HubSource(repo=repo, gated=gated):
                here = f"runs: {repo}{', license to accept' if gated else ''}"
            case _:
                here = "runs"
        rows.append(f"| {names} | {spec.retired} | {spec.license} | {spec.context_length:,} | {hosted} | {here} |")
    return "\n".join(rows) + "\n"


def formats_table() -> str:
    """One row for each chat format."""
    rows = ["| `style` | what a prompt looks like | an answer ends at | tools |", "|---|---|---|---|"]
    for chat in formats().values():
        ends = ", ".join(f"`{end}`" for end in chat.ends) or "what the model's files name"
        title = chat.title.replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")
        rows.append(f"| `{chat.name}` | {title} | {ends.replace('|', chr(92) + '|')} | {_tools_of(chat)} |")
    return "\n".join(rows) + "\n"


def _tools_of(chat: ChatFormat) -> str:
    if not chat.has_system:
        return "none"
    if chat.dialect is HERMES:
        return "in Hermes' words"
    return f"its own: `{chat.dialect.opening or chat.dialect.before_name}…`"


def commands() -> str:
    """The help of each command, as the terminal shows it."""
    return "\n".join(f"## {path}\n\n```text\n{text}\n```\n" for path, text in _helps(get_command(app), "fireside"))


def _helps(command: Any, path: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    context = command.make_context(path, [], parent, resilient_parsing=True, terminal_width=80)
    context.info_name = path.rpartition(" ")[2]
    yield path, context.get_help().strip()
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _helps(inner, f"{path} {name}", context)


PARTS: dict[str, Callable[[], str]] = {
    "docs/commands.md": commands,
    "docs/configuration.md": settings_table,
    "docs/retired-models.md": retired_table,
    "docs/chat-formats.md": formats_table,
    "docs/sizing.md": costs_table,
}


def renewed(page: str, text: str) -> str:
    """The page's text with its part as the code has it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN.strip()} or no {END.strip()}")
    return before + begin + PARTS[page]() + end + after


def main() -> None:
    """Renew them all."""
    for page in PARTS:
        path = ROOT / page
        path.write_text(renewed(page, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
