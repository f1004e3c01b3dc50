"""`python -m fireside` is the same as `fireside`."""

from fireside.cli.main import app

if __name__ == "__main__":
    app(prog_name="fireside")
