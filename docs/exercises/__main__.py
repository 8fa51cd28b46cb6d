"""How far am I, and what comes next?

python docs/exercises           the progress through all exercises, and the next one
python docs/exercises --watch   checks an exercise each time its file is saved
"""

import os
import subprocess
import sys
from pathlib import Path

import click
from checking import FOLDER, exercises, hole, title
from watchfiles import watch

MARKS = {True: "[x]", False: "[ ]"}


def solved(path: Path) -> bool:
    """Whether an exercise checks itself as right; in a process of its own, since it may not end."""
    try:
        unfinished = hole(path.read_text(encoding="utf-8")) is not None
    except SyntaxError:
        return False
    return not unfinished and check(path, quiet=True)


def check(path: Path, quiet: bool = False) -> bool:
    """Run the check itself, and not the file: the file may have lost its last lines."""
    places = [str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", f"import checking; checking.run({str(path)!r})"],
        capture_output=quiet,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
    )
    return done.returncode == 0


def show_progress() -> Path | None:
    """Print a line for each exercise, and return the first that is not solved."""
    following = None
    for path in exercises():
        done = solved(path)
        if not done and following is None:
            following = path
        click.secho(f"{MARKS[done]} {path.stem:<24} {title(path)}", fg="green" if done else None)
    return following


def open_in_editor(path: Path) -> None:
    """Open the file where the environment names an editor; otherwise the line above says it."""
    if sys.stdout.isatty() and (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        click.edit(filename=str(path))


@click.command()
@click.option("--watch", "watching", is_flag=True, help="Check an exercise each time it is saved.")
def main(watching: bool) -> None:
    """Show the progress through the exercises of the book, and open the next one."""
    following = show_progress()
    if following is None:
        click.secho("All exercises are solved.", fg="green")
        return
    click.echo(f"\nNext: {os.path.relpath(following)}")
    if not watching:
        open_in_editor(following)
        return
    click.echo("Watching: each exercise is checked when you save it. Ctrl-C ends this.")
    for changes in watch(FOLDER, recursive=False):
        for path in sorted({Path(name) for _, name in changes} & set(exercises())):
            click.echo("")
            check(path)


if __name__ == "__main__":
    main()
