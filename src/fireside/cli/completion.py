"""`fireside completion`: the shell completes commands, options and models."""

from enum import StrEnum
from typing import Annotated

import typer

VARIABLE = "_FIRESIDE_COMPLETE"
"""Set by the scripts when they ask what could come next."""


class Shell(StrEnum):
    """Those that have a script."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print the Tab completion script for a shell.

    It completes commands, options and models.

    \b
    Examples:
      fireside completion bash >> ~/.bashrc
      fireside completion zsh >> ~/.zshrc
      fireside completion fish > ~/.config/fish/completions/fireside.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    typer.echo(get_completion_script(prog_name="fireside", complete_var=VARIABLE, shell=shell.value))


def complete_models(incomplete: str) -> list[str]:
    """Names of models that begin so: the last parts of ids, which are enough, or whole ids after an @."""
    from fireside.catalog.loader import Catalog
    from fireside.errors import FiresideError
    from fireside.settings import load_settings

    try:
        specs = Catalog.from_settings(load_settings()).all()
    except FiresideError:
        return []  # the command itself will say what is wrong
    names = [name if incomplete.startswith("@") else name.rpartition("/")[2] for spec in specs for name in spec.names]
    return sorted({name for name in names if name.startswith(incomplete)})
