"""Backs up the centre's database while it runs, and restores it into an empty one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from config.errors import UserError
from ingest.engine import open_engine
from ingest.migrate import upgrade

_VERSION_TABLE = "alembic_version"
"""What every database of ours has."""
_FOREIGN = "is a database, but none of Menshen's"


def back_up(database: str, target: Path) -> None:
    """Write a consistent copy of the running database to ``target``, checked before it is named.

    SQLite through its online backup, PostgreSQL through ``pg_dump`` (custom format). Files of
    evidence are :mod:`ingest.backup.evidence`'s.

    Raises:
        UserError: ``target`` exists, or the copy cannot be made; nothing is left behind.
    """
    open_engine(database).dispose()  # the address is checked
    if target.exists():
        raise _problem(target, "exists already", "give a new name; a backup overwrites nothing")
    half = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        half.unlink(missing_ok=True)
        if database.startswith("sqlite"):
            _copy_sqlite(Path(make_url(database).database or ""), half)
        else:
            words = ("--format=custom", "--no-owner", f"--file={half}", _plain(database))
            _run("pg_dump", *words, database=database)
            _run("pg_restore", "--list", str(half), database=database)
        half.chmod(0o600)
        half.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise _problem(target, f"cannot be written ({error})", "free space, check rights") from None
    finally:
        half.unlink(missing_ok=True)


def restore(database: str, source: Path) -> None:
    """Fill an empty database from a backup, then bring it to the newest schema.

    Raises:
        UserError: the database is not empty, or ``source`` is no backup for it: nothing is kept.
            Also when it is of a newer version, which is found only then: empty it again.
    """
    engine = open_engine(database)
    try:
        if inspect(engine).get_table_names():
            raise UserError(
                where="database",
                problem="is not empty",
                remedy="restore into a new database, then point MENSHEN_DATABASE at it",
            )
        engine.dispose()
        if database.startswith("sqlite"):
            _copy_sqlite(source, Path(make_url(database).database or ""))
        else:
            if _VERSION_TABLE not in _run("pg_restore", "--list", str(source), database=database):
                raise _problem(source, _FOREIGN, "give the path of a backup")
            _run(
                *("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner"),
                *(f"--dbname={_plain(database)}", str(source)),
                database=database,
            )
        upgrade(engine)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        told = type(error).__name__ if isinstance(error, SQLAlchemyError) else str(error)[:200]
        raise _problem(source, f"cannot be restored ({told})", "give a backup's path") from None
    except CommandError:
        raise _problem(
            source, "is of a newer version of Menshen", "restore it with that version"
        ) from None
    finally:
        engine.dispose()


def _copy_sqlite(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        # Checked first, so that a damaged file leaves the target empty.
        (answer,) = old.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            raise sqlite3.DatabaseError(str(answer)[:200])
        wanted = "SELECT 1 FROM sqlite_master WHERE name = ?"
        if not old.execute(wanted, (_VERSION_TABLE,)).fetchone():
            raise _problem(source, _FOREIGN, "give the path of a backup")
        old.backup(new)


def _plain(database: str) -> str:
    """The address without its password, which everybody on the machine could read."""
    address = make_url(database).set(drivername="postgresql")
    return address._replace(password=None).render_as_string()


def _run(program: str, *arguments: str, database: str) -> str:
    password = make_url(database).password
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    found = shutil.which(program)
    if found is None:
        raise UserError(
            where=program,
            problem="is not installed",
            remedy="install PostgreSQL's client programs of the server's version",
        )
    done = subprocess.run(
        [found, "--no-password", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise UserError(
            where=program,
            problem=lines[0][:300] if lines else f"ended with {done.returncode}",
            remedy="check the file, the address, and that the versions fit",
        )
    return done.stdout


def _problem(path: Path, problem: str, remedy: str) -> UserError:
    return UserError(where=str(path), problem=problem, remedy=remedy)
