"""`fireside serve`: the HTTP server."""

from typing import Annotated

import typer

from fireside.cli.common import DataDir, NoPull, find_model
from fireside.cli.completion import complete_models


def serve(
    model: Annotated[
        str | None,
        typer.Argument(
            help="Model to load at start: its id, an alias, or an unambiguous part of either.",
            show_default="smollm2-135m-instruct",
            autocompletion=complete_models,
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on. Anything but loopback needs a token to exist.", show_default="127.0.0.1"
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 picks a free one.", show_default="8787")
    ] = None,
    stand_in: Annotated[
        str | None,
        typer.Option(
            help="Model that answers for models whose weights are missing; `family`: the one made for the model's "
            "family. Or rules, such as `@cf/qwen/*=family,*guard*=@hf/me/guard`. Off by default; such answers carry "
            "the header fireside-served-by."
        ),
    ] = None,
    loaded_models: Annotated[
        int | None,
        typer.Option(help="Maximum number of models in memory; the least recently used is evicted.", show_default="3"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Compute threads per engine; 0 means one per core.", show_default="0"),
    ] = None,
    context_length: Annotated[
        int | None,
        typer.Option(
            help="Maximum context window of every model, in tokens; 0 keeps each model's own.", show_default="0"
        ),
    ] = None,
    queue_size: Annotated[
        int | None,
        typer.Option(
            help="Maximum number of requests per account and model that may wait; more are rejected.",
            show_default="512",
        ),
    ] = None,
    kv_memory_mb: Annotated[
        int | None,
        typer.Option(
            help="Maximum memory for a model's KV cache, in MiB; 0 means a quarter of the machine's.", show_default="0"
        ),
    ] = None,
    no_pull: NoPull = False,
    data_dir: DataDir = None,
) -> None:
    """Answer the Workers AI API over HTTP.

    Downloads the model if it is missing, loads it, and prints a curl command to try. Other models in the catalog load
    on first use; download them beforehand with `fireside pull`.

    On loopback, no token is needed until you create one (`fireside token create`); on other addresses, one always is.
    Ctrl-C stops the server once running answers are finished; a second Ctrl-C stops it immediately.

    \b
    Examples:
      fireside serve
      fireside serve echo --port 8000
      fireside serve @hf/mistral/mistral-7b-instruct-v0.2 --context-length 8192
      fireside serve --stand-in smollm2-135m-instruct
      fireside serve --stand-in family
    """
    from fireside.catalog.loader import Catalog
    from fireside.cli.serve_process import run_server
    from fireside.serving.stand_ins import FAMILY, stand_in_rules
    from fireside.settings import load_settings

    settings = load_settings(
        host=host,
        port=port,
        data_dir=data_dir,
        default_model=model,
        stand_in=stand_in,
        loaded_models=loaded_models,
        threads=threads,
        context_length=context_length,
        queue_size=queue_size,
        kv_memory_mb=kv_memory_mb,
    )
    catalog = Catalog.from_settings(settings)
    ids = {"default_model": find_model(catalog, settings.default_model).id}
    if settings.stand_in is not None:
        rules = stand_in_rules(settings.stand_in)
        ids["stand_in"] = ",".join(
            f"{pattern}={target if target == FAMILY else find_model(catalog, target).id}" for pattern, target in rules
        )
    run_server(settings.model_copy(update=ids), catalog, no_pull=no_pull)
