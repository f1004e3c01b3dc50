"""`fireside doctor`: is everything here that Fireside needs?"""

from dataclasses import asdict

import typer

from fireside.cli.common import AsJson, DataDir


def doctor(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Check this machine, the data folder and each downloaded model. The exit status is 1 if there is a problem.

    \b
    Examples:
      fireside doctor
      FIRESIDE_PORT=9000 fireside doctor
    """
    from fireside.cli.doctor_checks import all_checks
    from fireside.cli.tables import show_json
    from fireside.settings import load_settings

    findings = []
    for finding in all_checks(load_settings(data_dir=data_dir)):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{finding.state:<4}  {finding.name:<12}  {finding.text}")
            if finding.next_step:
                typer.echo(f"{'':<20}-> {finding.next_step}")
    bad = sum(finding.state == "bad" for finding in findings)
    if as_json:
        show_json([asdict(finding) for finding in findings])
    elif bad:
        typer.echo(f"\n{bad} {'problem' if bad == 1 else 'problems'} found.")
    else:
        typer.echo("\nNo problems found.")
    if bad:
        raise typer.Exit(1)
