"""`fireside finetune`: LoRA adapters, on the data folder itself; a running server sees each change at once."""

from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli.common import AsJson, DataDir, NoPull
from fireside.cli.format import iso_text, size_text, time_text

if TYPE_CHECKING:
    from fireside.store.finetune_records import FineTune

Account = Annotated[str, typer.Option(help="The account, as in accounts/ID of URLs.")]
Reference = Annotated[str, typer.Argument(metavar="FINETUNE", help="Id or name.")]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Add, list, test and delete LoRA fine-tunes. No server is needed; a running one sees changes immediately.

    \b
    Examples:
      fireside finetune create pirate ./adapter
      fireside finetune test pirate "Who are you?"
      fireside finetune list
      fireside finetune delete pirate
    """,
)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name, for `lora` in requests.")],
    source: Annotated[
        str,
        typer.Argument(
            help="Folder with adapter_config.json and adapter_model.safetensors, or a Hugging Face repository as "
            "author/name or author/name@revision."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="Base model: its id, an alias, or an unambiguous part of either.", show_default="smollm2-135m-instruct"
        ),
    ] = None,
    description: Annotated[str, typer.Option(help="A description.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Let every account use it.")] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace the adapter with this name; the old one answers until the new one is ready."
        ),
    ] = False,
    account: Account = "local",
    data_dir: DataDir = None,
) -> None:
    """Add a fine-tune from a folder or from Hugging Face. The files are checked and copied.

    \b
    Examples:
      fireside finetune create pirate ./adapter
      fireside finetune create pirate ./adapter --replace
      HF_TOKEN=hf_... fireside finetune create poet someone/poet-lora --model mistral-7b-instruct-v0.2
    """
    from fireside.cli.finetune_client import create_from, opened
    from fireside.cli.progress import shown_progress

    with opened(data_dir) as tools, shown_progress() as progress:
        made = create_from(
            tools, account, name, source, progress, model=model, description=description, public=public, replace=replace
        )
    typer.echo(f'{made.name} is ready (id {made.id}). In a request to {made.model}: "lora": "{made.name}"')


@app.command("list")
def list_finetunes(account: Account = "local", as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the account's fine-tunes and their states."""
    from rich.table import Table

    from fireside.cli.finetune_client import opened
    from fireside.cli.tables import show, show_json
    from fireside.finetunes.status import status_of

    with opened(data_dir) as tools:
        found = tools.finetunes.of_account(account)
    if as_json:
        show_json([_facts(finetune) for finetune in found])
        return
    if not found:
        typer.echo("There are no fine-tunes. Add one: fireside finetune create NAME FOLDER", err=True)
        return
    table = Table("ID", "NAME", "MODEL", "STATUS", "CREATED", box=None, pad_edge=False)
    for finetune in found:
        created = time_text(finetune.created_at)
        table.add_row(finetune.id, finetune.name, finetune.model, status_of(finetune).state, created)
    show(table)


@app.command("show")
def show_finetune(
    reference: Reference, account: Account = "local", as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Show a fine-tune: its files, and anything missing or wrong."""
    from fireside.cli.finetune_client import opened
    from fireside.cli.tables import show_json

    with opened(data_dir) as tools:
        finetune = tools.finetunes.get(account, reference)
    if as_json:
        show_json(_facts(finetune))
        return
    for line in _lines(finetune):
        typer.echo(line)


@app.command()
def delete(reference: Reference, account: Account = "local", data_dir: DataDir = None) -> None:
    """Delete a fine-tune. Requests under way still finish with it."""
    from fireside.cli.finetune_client import opened

    with opened(data_dir) as tools:
        gone = tools.finetunes.delete(account, reference)
        tools.finetunes.sweep()
    typer.echo(f"Deleted {gone.name} ({gone.id}).")


@app.command("test")
def try_out(
    reference: Reference,
    prompt: Annotated[str, typer.Argument(help="The prompt.")],
    max_tokens: Annotated[int, typer.Option(help="Maximum tokens in each answer.")] = 128,
    temperature: Annotated[float, typer.Option(help="0 always takes the most likely token.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answers.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Send the prompt unchanged, without a chat template.")] = False,
    account: Account = "local",
    no_pull: NoPull = False,
    data_dir: DataDir = None,
) -> None:
    """Ask the same without and with the fine-tune, and print both answers.

    \b
    Examples:
      fireside finetune test pirate "Who are you?"
    """
    from fireside.cli.finetune_client import compare, opened

    body: dict[str, object] = {
        "prompt": prompt, "max_tokens": max_tokens, "temperature": temperature, "seed": seed, "raw": raw,
    }  # fmt: skip
    with opened(data_dir) as tools:
        compare(tools, account, reference, body, no_pull=no_pull)


def _facts(finetune: "FineTune") -> dict[str, object]:
    from fireside.finetunes.status import status_of

    status = status_of(finetune)
    return {
        "id": finetune.id,
        "name": finetune.name,
        "model": finetune.model,
        "description": finetune.description,
        "public": finetune.public,
        "created_at": iso_text(finetune.created_at),
        "modified_at": iso_text(finetune.modified_at),
        "files": [
            {"name": file.name, "bytes": file.size, "waiting": not file.version}
            for file in (*finetune.files, *finetune.waiting)
        ],
        "status": status.state,
        "message": status.message,
    }


def _lines(finetune: "FineTune") -> list[str]:
    from fireside.finetunes.status import status_of

    status = status_of(finetune)
    files = [
        f"{file.name}, {size_text(file.size)}{'' if file.version else ' (waits for the other file)'}"
        for file in (*finetune.files, *finetune.waiting)
    ]
    rows = {
        "id": finetune.id,
        "name": finetune.name,
        "model": finetune.model,
        "description": finetune.description or "-",
        "public": "yes" if finetune.public else "no",
        "created": time_text(finetune.created_at),
        "modified": time_text(finetune.modified_at),
        "files": "; ".join(files) or "-",
        "status": f"{status.state}: {status.message}",
    }
    return [f"{name:<12}  {value}" for name, value in rows.items()]
