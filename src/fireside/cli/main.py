"""The `fireside` command. Light to import: what is heavy is imported inside the commands."""

import os
from typing import Annotated, Any

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]
from typer.core import TyperGroup

from fireside import __version__
from fireside.cli import (
    completion,
    doctor,
    engine,
    finetune,
    models,
    ps,
    pull,
    rm,
    run,
    serve,
    show,
    stop,
    token,
    worker,
)
from fireside.errors import FiresideError, for_operators


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error that Fireside raised on purpose is one plain message and exit status 1."""
        try:
            return super().invoke(ctx)
        except FiresideError as error:
            typer.echo(f"Error: {for_operators(error)}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="fireside",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fireside {__version__}")
        raise typer.Exit()


@app.callback(
    epilog="Settings come from options, then from the environment (FIRESIDE_DATA_DIR, FIRESIDE_PORT, ...). "
    "`fireside COMMAND --help` has examples."
)
def fireside(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The Workers AI text-generation API on your own machines.

    \b
    To get started:
      fireside serve                       download a small model, answer on http://127.0.0.1:8787
      fireside run smollm2                 chat with it in the terminal, with or without a server
    """
    if given := [name for name in os.environ if name.upper().startswith("FIRESIDE_")]:
        from fireside.settings import unknown_settings

        for sentence in unknown_settings(given):
            typer.echo(f"Warning: {sentence}", err=True)


app.command()(serve.serve)
app.command()(run.run)
app.command()(pull.pull)
app.command()(models.models)
app.command()(show.show)
app.command()(rm.rm)
app.command()(ps.ps)
app.command()(stop.stop)
app.add_typer(token.app, name="token")
app.add_typer(finetune.app, name="finetune")
app.add_typer(worker.app, name="worker")
app.add_typer(engine.app, name="engine")
app.command()(doctor.doctor)
app.command()(completion.completion)
if completion.VARIABLE in os.environ:
    completion_init()
