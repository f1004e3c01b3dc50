"""`fireside run`: one answer in the terminal."""

from typing import Annotated

import typer

from fireside.cli.common import DataDir, NoPull


def run(
    model: Annotated[str, typer.Argument(help="Model id, or the last part of one.")],
    prompt: Annotated[
        str | None, typer.Argument(help="What to ask. Without it, or with -, it is read from standard input.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="System message, instead of the model's default one.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens to generate.", show_default="256")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 to 5; 0 always takes the likeliest token.", show_default="0.6")
    ] = None,
    top_p: Annotated[float | None, typer.Option(help="Only the likeliest tokens that add up to this.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Only this many of the likeliest tokens.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same answer.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The prompt as it is, without a chat template.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads for arithmetic.", show_default="one per core")] = None,
    no_pull: NoPull = False,
    data_dir: DataDir = None,
) -> None:
    """Ask a model in the terminal; the answer appears as it is made. No server is needed.

    \b
    Examples:
      fireside run smollm2-135m-instruct "What is the capital of France?" --temperature 0
      fireside run smollm2-135m-instruct "A haiku about rain" --temperature 1.2 --seed 7
      git diff | fireside run smollm2-135m-instruct --system "Summarise this change in one line."
      fireside run echo "Say this back"
    """
    import sys

    from fireside.cli.answer import print_answer
    from fireside.settings import load_settings

    if prompt is None and sys.stdin.isatty():
        raise typer.BadParameter("what should be asked? Give it as the second argument, in quotes.")
    text = sys.stdin.read() if prompt in (None, "-") else prompt
    settings = load_settings(data_dir=data_dir, threads=threads)
    body: dict[str, object] = {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "top_k": top_k,
        "seed": seed,
        "raw": raw,
    }
    if system is None:
        body["prompt"] = text
    else:
        body["messages"] = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    print_answer(settings, model, body, no_pull=no_pull)
