"""`fireside doctor`: is everything here that Fireside needs?"""

import typer

from fireside.cli.common import DataDir


def doctor(data_dir: DataDir = None) -> None:
    """Check this machine, the data folder and each downloaded model. Exit status 1 when something is wrong.

    \b
    Examples:
      fireside doctor
      FIRESIDE_PORT=9000 fireside doctor
    """
    from fireside.cli.checks import all_checks
    from fireside.settings import load_settings

    bad = 0
    for finding in all_checks(load_settings(data_dir=data_dir)):
        bad += finding.state == "bad"
        typer.echo(f"{finding.state:<4}  {finding.name:<12}  {finding.text}")
        if finding.next_step:
            typer.echo(f"{'':<20}-> {finding.next_step}")
    if bad:
        typer.echo(f"\n{bad} {'thing needs' if bad == 1 else 'things need'} mending.")
        raise typer.Exit(1)
    typer.echo("\nAll is well.")
