"""`frontlist init`: a first `frontlist.yaml` and `mapping.yaml`, fitted to the tenants where they can be reached."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from frontlist.errors import ConfigurationError
from frontlist.starting import configuration, mapping, tenants
from frontlist.starting.answers import Access, Answers, Modules, checked, locales
from frontlist.starting.mapping import Draft

__all__ = ["Access", "Answers", "Modules", "Started", "checked", "locales", "start"]


@dataclass(frozen=True)
class Started:
    """What was written, what the tenants have no place for, and what a person has to do."""

    configuration: Path
    mapping: Path
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


async def start(
    answers: Answers, file: Path, *, force: bool = False, say: Callable[[str], None] = lambda _: None
) -> Started:
    """Writes both files, the mapping beside the configuration; overwrites nothing without `force`."""
    answers, beside = checked(answers), file.parent / mapping.FILE
    refuse_to_overwrite((file, beside), force)
    say("Looking at both tenants ...")
    shown = await tenants.look(answers)
    draft: Draft = mapping.draft(answers, shown)
    _write(beside, draft.text)
    has_secret = answers.consonance.write_key or answers.fourallportal.write_key
    _write(file, configuration.text(answers, beside), 0o600 if has_secret else 0o644)
    notes = list(shown.notes)
    if shown.fourallportal is None:
        notes.append(f"{beside.name} is the sandbox's: name your own modules and fields in it")
    return Started(file, beside, draft.left_out, (*notes, *draft.notes))


def refuse_to_overwrite(files: tuple[Path, ...], force: bool) -> None:
    there = [str(each) for each in files if each.exists()]
    if there and not force:
        raise ConfigurationError(
            f"{' and '.join(there)} already exist{'s' if len(there) == 1 else ''}",
            where="--config",
            cure="name another file, or overwrite with --force",
        )


def _write(file: Path, text: str, mode: int = 0o644) -> None:
    """Whole or not at all, and readable to nobody else before its mode is set."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        made = file.with_name(f".{file.name}.new")
        made.unlink(missing_ok=True)
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as out:
            out.write(text)
        made.replace(file)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written: {error.strerror}", where="--config", cure="name a folder that can be written"
        ) from error
