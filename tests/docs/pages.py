"""The Markdown pages of the project, and what they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

import frontlist.cli

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
ROOMS = "connector|plugins|schemas|sandbox|tests|docs|deploy|examples|benchmarks"
WORD = re.compile(r"[a-z][a-z-]*")


def pages() -> list[Path]:
    return sorted(
        page
        for page in [*ROOT.glob("*.md"), *(each for room in ROOMS.split("|") for each in (ROOT / room).rglob("*.md"))]
    )


def own_words(page: Path) -> str:
    """A page without what `make generate` wrote into it, whose source is tested elsewhere."""
    text = page.read_text(encoding="utf-8")
    return "" if text.startswith("<!-- Generated") else text


def prose(text: str) -> str:
    return FENCE.sub("", text)


def links(text: str) -> list[str]:
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(text))


def code(text: str) -> list[str]:
    """Inline code, and each line of shell blocks without its comment."""
    lines = [line for lang, body in FENCE.findall(text) if lang == "sh" for line in body.splitlines()]
    return re.findall(r"`([^`\n]+)`", prose(text)) + [re.split(r"\s#", line)[0].strip() for line in lines]


def paths(text: str) -> list[str]:
    """What inline code names below one of our rooms."""
    return [each for each in code(text) if re.fullmatch(rf"(?:{ROOMS})/[\w./-]*", each)]


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


def invocations(text: str, program: str) -> list[list[str]]:
    """The arguments after `program` wherever code calls it."""
    found = (re.search(rf"(?:^|\s){program}\s+(.+)$", each) for each in code(text))
    return [match[1].split() for match in found if match]


def fault(arguments: list[str]) -> str | None:
    """Why the program would not know this command line."""
    command: Any = typer.main.get_command(frontlist.cli.app)
    path = "frontlist"
    while arguments and hasattr(command, "commands") and WORD.fullmatch(arguments[0]):
        path = f"{path} {arguments[0]}"
        if arguments[0] not in command.commands:
            return f"{path}: no such command"
        command, arguments = command.commands[arguments[0]], arguments[1:]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    unknown = [each for each in arguments if each.startswith("--") and each.partition("=")[0] not in known]
    return f"{path}: no option {', '.join(unknown)}" if unknown else None
