"""`fireside show`: all about one model."""

from typing import Any

import typer

from fireside.cli.common import AsJson, DataDir, Model, find_model
from fireside.cli.format import size_text


def show(model: Model, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show one model's details.

    These are its names, costs, chat format, defaults and where its files are.

    \b
    Examples:
      fireside show openhermes
      fireside show smollm2 --json
    """
    from fireside.catalog.loader import Catalog
    from fireside.cli.model_facts import facts_of
    from fireside.cli.tables import show_json
    from fireside.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    facts = facts_of(find_model(Catalog.from_settings(settings), model), settings)
    if as_json:
        show_json(facts)
        return
    for name, value in _lines(facts).items():
        if value:
            typer.echo(f"{name:<14}  {value}")


def _lines(facts: dict[str, Any]) -> dict[str, str]:
    def size(name: str) -> str:
        return "?" if facts[name] is None else size_text(facts[name])

    speed = facts["tokens_per_second"]
    packed = f"{facts['packed_path']} ({size_text(facts['packed_bytes'])})" if facts["packed_path"] else ""
    weights = f"weights {facts['weights']}, " if facts["weights"] else ""
    here = facts["path"] or f"not downloaded; fireside pull {facts['id']}"
    hosted = f" ({facts['hosted_context']:,} where it was hosted)" if facts["hosted_context"] else ""
    return {
        "id": facts["id"],
        "aliases": ", ".join(facts["aliases"]),
        "description": facts["description"],
        "more": facts["info_url"] or "",
        "family": facts["family"] or "",
        "license": facts["license"],
        "retired": facts["retired"] or "",
        "no weights": facts["unavailable"] or "",
        "source": facts["source"],
        "files": here if facts["needs_download"] else "",
        "repacked": packed,
        "download": size("download_bytes") if facts["needs_download"] else "",
        "disk": "" if facts["unavailable"] else size("disk_bytes"),
        "memory": "" if facts["unavailable"] else f"{size('memory_bytes')} for one conversation of 4,096 tokens",
        "speed": "" if speed is None else f"at most about {speed:g} tokens per second on this machine",
        "context": f"{facts['context_length']:,} tokens{hosted}",
        "LoRA": "yes" if facts["lora"] else "no",
        "engine": f"{facts['engine']}, {weights}{facts['max_num_seqs']} concurrent answers",
        "prompt style": facts["style"],
        "system": facts["default_system"] or "",
        "stops at": ", ".join(facts["stop"]),
        "defaults": ", ".join(f"{name} {value:g}" for name, value in facts["defaults"].items()),
    }
