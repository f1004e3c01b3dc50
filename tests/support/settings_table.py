"""The table of settings for the documentation. `python -m support.settings_table` (from tests/) prints it."""

from fireside.settings import Settings


def settings_table() -> str:
    """One Markdown row for each setting."""
    rows = ["| environment variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or field.default_factory else field.default
        shown = "" if default in ("", None) else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        rows.append(f"| `FIRESIDE_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(settings_table())
