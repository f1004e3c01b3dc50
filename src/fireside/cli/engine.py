"""`fireside engine`: engines that live in an environment of their own."""

import sys
from typing import Annotated

import typer

from fireside.cli.common import DataDir

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Install vLLM, which runs models on NVIDIA GPUs, and see which engines can run here.

    \b
    Examples:
      fireside engine list
      fireside engine install vllm
    """,
)


@app.command("list")
def list_engines(data_dir: DataDir = None) -> None:
    """List the engines, and what each one still needs on this machine.

    \b
    Examples:
      fireside engine list
    """
    import msgspec

    from fireside.engine.registry import engine_type, kinds
    from fireside.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    for kind in kinds():
        engine = engine_type(kind)
        missing: list[str] = []
        if not any(option.required for option in msgspec.structs.fields(engine.options)):
            missing += engine.requirements(engine.configure(engine.from_settings(settings, lora=True)))
        typer.echo(f"{kind:<8} {' '.join(missing) or 'ready'}")


@app.command()
def install(
    name: Annotated[str, typer.Argument(help="The engine: vllm.")],
    cpu: Annotated[bool, typer.Option("--cpu", help="The build for machines without a GPU; slow, for tests.")] = False,
    cuda: Annotated[bool, typer.Option("--cuda", help="The build for NVIDIA GPUs, even if none is seen here.")] = False,
    python: Annotated[
        str, typer.Option(metavar="PATH", help="The Python to use, 3.11 to 3.14.", show_default="this one")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Install an engine into an environment of its own, in the data folder. Run it again to finish or to update.

    The build for GPUs is several GB; the one for CPUs takes 3.5 GB on disk.

    \b
    Examples:
      fireside engine install vllm
      fireside engine install vllm --cpu
    """
    from fireside.engine.vllm.environment import RELEASES, default_python, has_gpu
    from fireside.engine.vllm.environment import install as install_vllm
    from fireside.settings import load_settings

    if name != "vllm":
        raise typer.BadParameter(f"{name!r} needs no installation. Only vllm does.")
    if cpu and cuda:
        raise typer.BadParameter("--cpu and --cuda exclude each other.")
    build = "cuda" if cuda or (has_gpu() and not cpu) else "cpu"
    target = default_python(load_settings(data_dir=data_dir).data_dir)
    typer.echo(f"Installing {RELEASES[build]} into {target.parent.parent} ...", err=True)
    install_vllm(python or sys.executable, target.parent.parent, build, lambda line: typer.echo(line, err=True))
    typer.echo(f'Ready. A model runs on it with `kind = "vllm"` in its catalog file\'s [engine]: {target}')
