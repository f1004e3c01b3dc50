"""`fireside token`: who may call the server."""

from typing import TYPE_CHECKING, Annotated

import typer

from fireside.cli.common import AsJson, DataDir, open_store
from fireside.cli.format import iso_text, time_text
from fireside.store.tokens import DEFAULT_SCOPES, scopes_text

if TYPE_CHECKING:
    from fireside.store.tokens import TokenRecord

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Create, list and revoke API tokens.

    Until the first token is created, a server on loopback answers everyone on this machine. From then on, every request
    needs one. Listening on any other address always needs a token.

    \b
    Examples:
      TOKEN=$(fireside token create --name laptop)
      fireside token create --account team --name ci --scopes run
      fireside token list
      fireside token revoke 0123456789abcdef
    """,
)


@app.command()
def create(
    account: Annotated[str, typer.Option(help="The account the token belongs to, as in accounts/ID of URLs.")] = (
        "local"
    ),
    name: Annotated[str, typer.Option(help="A name to recognise it by.")] = "token",
    scopes: Annotated[
        str,
        typer.Option(
            help="What it may do besides reading: run (models), finetunes (make, upload and delete the account's own), "
            "admin (what concerns every account: downloads, publishing)."
        ),
    ] = scopes_text(DEFAULT_SCOPES),
    data_dir: DataDir = None,
) -> None:
    """Create a token. It is shown only once, because only a digest is stored."""
    from fireside.settings import load_settings

    with open_store(load_settings(data_dir=data_dir)) as store:
        was_open = not store.has_tokens()
        text, record = store.create_token(account, name, scopes.split(","))
    typer.echo(text)
    typer.echo(f"Keep it: it cannot be shown again. Its id is {record.token_id}, its account {account}.", err=True)
    if was_open:
        typer.echo("From now on every request needs a token.", err=True)


@app.command("list")
def list_tokens(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the tokens, without their secrets."""
    from rich.table import Table

    from fireside.cli.tables import show, show_json
    from fireside.settings import load_settings

    with open_store(load_settings(data_dir=data_dir)) as store:
        records = store.list_tokens()
    if as_json:
        show_json([_facts(record) for record in records])
        return
    if not records:
        typer.echo("There are no tokens. Make one: fireside token create", err=True)
        return
    table = Table("ID", "ACCOUNT", "NAME", "SCOPES", "CREATED", "REVOKED", box=None, pad_edge=False)
    for record in records:
        created, revoked = (time_text(moment) if moment else "-" for moment in (record.created_at, record.revoked_at))
        table.add_row(record.token_id, record.account_id, record.name, scopes_text(record.scopes), created, revoked)
    show(table)


def _facts(record: "TokenRecord") -> dict[str, object]:
    return {
        "id": record.token_id,
        "account": record.account_id,
        "name": record.name,
        "scopes": scopes_text(record.scopes).split(","),
        "created_at": iso_text(record.created_at),
        "revoked_at": record.revoked_at and iso_text(record.revoked_at),
    }


@app.command()
def revoke(
    token: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The token's id, or as many of its first characters as no other token's id begins with. Not the token "
            "itself, which would stay in the shell's history.",
        ),
    ],
    data_dir: DataDir = None,
) -> None:
    """Revoke a token permanently; running servers notice within a second."""
    from fireside.settings import load_settings
    from fireside.store.tokens import public_id

    # A whole token is taken, too: from now on it opens nothing.
    beginning = public_id(token) or token
    with open_store(load_settings(data_dir=data_dir)) as store:
        active = [record.token_id for record in store.list_tokens() if record.revoked_at is None]
        found = [token_id for token_id in active if beginning and token_id.startswith(beginning)]
        revoked = len(found) == 1 and store.revoke_token(found[0])
    if not revoked:
        which = f"{len(found)} active tokens have an id" if found else "No active token has an id"
        typer.echo(f"Error: {which} that begins with {beginning[:40]}. See: fireside token list", err=True)
        raise typer.Exit(1)
    typer.echo(f"Revoked {found[0]}.")
