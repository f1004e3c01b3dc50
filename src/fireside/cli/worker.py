"""`fireside worker`: `env.AI` in people's own Workers."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Give a Worker's env.AI to Fireside: in wrangler dev, in tests, and deployed.

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
    url: Annotated[str, typer.Option(help="Where Fireside listens, as the Worker sees it.")] = "http://127.0.0.1:8787",
    account: Annotated[str, typer.Option(help="Account id of the Worker's requests.")] = "local",
    dev_only: Annotated[
        bool,
        typer.Option(
            "--dev-only",
            help="Leave the project's configuration as it is; put the changed one beside it, as wrangler.fireside.*.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
) -> None:
    """Add the Worker that calls Fireside to a project, and bind it as AI in the project's wrangler configuration.

    The Worker goes into the folder fireside-ai. In wrangler.json, .jsonc or .toml the ai binding becomes a service
    binding of the same name. Files that are there already are never overwritten, but for that one binding.
    """
    from fireside.cli import worker_project, wrangler_config

    folder = project / worker_project.SERVICE
    config = wrangler_config.find(project)
    files = worker_project.new_files(folder, url=url, account=account)
    change = worker_project.plan_change(config, beside=dev_only) if config else None
    main = config or project / "wrangler.jsonc"
    if change and change.after is not None:
        typer.echo(change.diff())
        main = change.path
        files[main] = change.after.encode()
    for path in files:
        worker_project.check_no_link(path, project)
    for path, content in files.items():
        if not dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        typer.echo(f"{'would write' if dry_run else 'wrote'} {path}")
    typer.echo()
    if change and change.after is not None:
        for note in worker_project.notes(change):
            typer.echo(f"{note}\n")
    else:
        typer.echo(worker_project.by_hand(config, change.reason if change else ""))
    typer.echo(f"To develop: npx wrangler dev -c {main} -c {folder / 'wrangler.jsonc'}")
    typer.echo(f"To deploy, and for tests: see {folder / 'README.md'}")
