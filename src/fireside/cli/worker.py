"""`fireside worker`: `env.AI` in people's own Workers."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Point a Worker's env.AI at Fireside: in wrangler dev, in tests, and deployed.

    \b
    Examples:
      fireside worker init
      fireside worker init --dry-run path/to/project
      fireside worker init --url https://fireside.example.com --account team
    """,
)


@app.command()
def init(
    project: Annotated[Path, typer.Argument(help="The Worker's folder.", exists=True, file_okay=False)] = Path(),
    url: Annotated[
        str | None,
        typer.Option(help="Fireside's URL, as seen from the Worker.", show_default="http://127.0.0.1:8787"),
    ] = None,
    account: Annotated[str | None, typer.Option(help="Account of the Worker's requests.", show_default="local")] = None,
    dev_only: Annotated[
        bool,
        typer.Option(
            "--dev-only",
            help="Leave the project's configuration alone and write the changed copy to wrangler.fireside.*.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written without writing it.")] = False,
) -> None:
    """Point a Worker's env.AI at Fireside.

    Adds a folder fireside-ai with a module that sets env.AI and re-exports the Worker. In wrangler.json, .jsonc or
    .toml, that module becomes main and the ai binding is removed. Nothing else is changed, and no existing file is
    overwritten. Projects set up by an earlier Fireside are updated; their old folder is kept as fireside-ai.old.
    """
    from fireside.cli import worker_project, wrangler_config
    from fireside.errors import ConfigError

    folder = project / worker_project.FOLDER
    config = wrangler_config.find(project)
    change = worker_project.plan_change(config, beside=dev_only) if config else None
    old = worker_project.old_server(folder)
    server = worker_project.Server.given(url, account, old)
    files = worker_project.package_files(folder)
    if change and change.bound:
        files |= worker_project.own_files(folder, change.bound, server)
    if old is None:
        worker_project.check_unchanged(files)
    elif change is None or change.after is None:
        raise ConfigError(worker_project.left_to_do(config, change))  # the old folder is what it still goes by
    if change and change.after is not None:
        typer.echo(change.diff())
        files[change.path] = change.after.encode()
    for path in files:
        worker_project.check_no_link(path, project)
    if old is not None:
        kept = worker_project.put_aside(folder, dry_run=dry_run)
        typer.echo(f"{'would move' if dry_run else 'moved'} {folder} to {kept}")
    for path, content in files.items():
        if not dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        typer.echo(f"{'would write' if dry_run else 'wrote'} {path}")
    if left := worker_project.left_to_do(config, change):
        typer.echo(f"\n{left}")
    typer.echo()
    if change and not change.reason:
        typer.echo(f"To develop: npx wrangler dev -c {change.path}")
        typer.echo("A token: FIRESIDE_TOKEN=… in .dev.vars; deployed, npx wrangler secret put FIRESIDE_TOKEN")
    typer.echo(f"To deploy, and for tests: see {folder / 'README.md'}")
