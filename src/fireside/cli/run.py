"""`fireside run`: ask a model in the terminal, once or in a conversation."""

from typing import Annotated

import typer

from fireside.cli.common import DataDir, Model, NoPull


def run(
    model: Model,
    prompt: Annotated[
        str | None,
        typer.Argument(
            help="The prompt. Without it, this opens a conversation, or reads the prompt from standard input if that "
            "is not a terminal. - always reads standard input."
        ),
    ] = None,
    system: Annotated[str | None, typer.Option(help="System message, instead of the model's default one.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Maximum tokens in an answer.", show_default="256; in a conversation 1024")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 to 5; 0 always takes the most likely token.", show_default="0.6")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Only the most likely tokens whose probabilities add up to this.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Only this many of the most likely tokens.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answer.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Send the prompt unchanged, without a chat template.")] = False,
    threads: Annotated[
        int | None,
        typer.Option(help="Compute threads, if this command loads the model itself.", show_default="one per core"),
    ] = None,
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Load the model in this command, even if a server is running.")
    ] = False,
    no_pull: NoPull = False,
    data_dir: DataDir = None,
) -> None:
    """Ask a model in the terminal; the answer is streamed.

    Without a prompt, on a terminal, this opens a conversation: /help lists its commands, Ctrl-C stops an answer, Ctrl-D
    leaves. If a server is running on the data folder, it answers, so the model is in memory only once; otherwise, this
    command loads the model.

    \b
    Examples:
      fireside run smollm2
      fireside run smollm2 "What is the capital of France?" --temperature 0
      fireside run openhermes "A haiku about rain" --temperature 1.2 --seed 7
      git diff | fireside run smollm2 --system "Summarise this change in one line."
      fireside run echo "Say this back"
    """
    import sys

    talks = prompt is None and sys.stdin.isatty()
    if talks and not sys.stdout.isatty():
        raise typer.BadParameter("what should be asked? Give it as the second argument, in quotes.")
    if talks and raw:
        raise typer.BadParameter("--raw is for one prompt: give it as the second argument, in quotes.")
    text = "?" if talks else sys.stdin.read() if prompt in (None, "-") else prompt

    from fireside.api.schema.run_input import parse_input
    from fireside.catalog.loader import Catalog
    from fireside.cli.answerers import choose_answerer
    from fireside.cli.common import fetch, find_model
    from fireside.settings import load_settings

    settings = load_settings(data_dir=data_dir, threads=threads)
    catalog = Catalog.from_settings(settings)
    spec = find_model(catalog, model)
    given = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, "top_k": top_k, "seed": seed}
    options: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    body: dict[str, object] = {**options, "raw": raw}
    if system is None:
        body["prompt"] = text
    else:
        body["messages"] = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    # What is wrong is said before anything is fetched.
    parse_input(body)
    fetch(spec, settings, no_pull)
    answerer = choose_answerer(spec, settings, catalog, alone=no_server or threads is not None)
    if talks:
        from fireside.cli.chat import Chat, converse

        converse(Chat(answerer, spec, system, options))
    else:
        import asyncio

        from fireside.cli.answer import print_answer

        asyncio.run(print_answer(answerer, body))
