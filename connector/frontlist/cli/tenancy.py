"""Commands for tenants that were filled before us: link and adopt. Nothing is written to the vendors by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from frontlist import runtime
from frontlist.adopting import reading as values
from frontlist.adopting import reports as adoptions
from frontlist.cli.terminal import AsJson, Config, Progress, out, say_json, short, table, wait_for
from frontlist.contract import TitleKey
from frontlist.errors import ConfigurationError
from frontlist.linking import accepting, reports
from frontlist.linking.reading import Options
from frontlist.linking.settling import Linked
from frontlist.settings import load

Name = Annotated[str, typer.Option("--name", help="Call the report this; else it gets a short name.")]
Report = Annotated[str, typer.Argument(help="The report's name.")]
By = Annotated[
    list[str] | None,
    typer.Option(
        help="Where no ISBN decides, what must agree: field=canonical, or a mapped canonical field. Repeat it."
    ),
]
Isbn = Annotated[list[str] | None, typer.Option(help="A further field of the product module that holds ISBNs.")]
Doubtful = Annotated[
    list[str] | None,
    typer.Option(
        help="PRODUCT=RECORD for one of the doubtful, or PRODUCT=new: none of these records is it. Repeat it."
    ),
]
Decided = Annotated[Path | None, typer.Option(help="A file with one such answer a line.")]
Fields = Annotated[list[str] | None, typer.Option(help="Fields that may be cleared; default: all in the report.")]
Titles = Annotated[list[str] | None, typer.Option("--title", help="Titles, e.g. work:61417; default: all.")]
Rows = Annotated[int, typer.Option(min=0, help="How many of each list to show.")]


def add_to(app: typer.Typer) -> None:
    link = typer.Typer(help="Find out which record of 4ALLPORTAL is which product, and say so.")
    link.callback(invoke_without_command=True)(link_report)
    link.command("accept")(link_accept)
    link.command("undo")(link_undo)
    app.add_typer(link, name="link")
    adopt = typer.Typer(help="See what would be overwritten or cleared in linked records, and allow the latter.")
    adopt.callback(invoke_without_command=True)(adopt_report)
    adopt.command("accept")(adopt_accept)
    app.add_typer(adopt, name="adopt")


# --- link -----------------------------------------------------------------------------------------------------------


def link_report(
    ctx: typer.Context,
    by: By = None,
    isbn: Isbn = None,
    name: Name = "",
    rows: Rows = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Compare the products with the records that are there; keeps the report under a name."""
    if ctx.invoked_subcommand is not None:
        return
    options = Options(tuple(by or ()), tuple(isbn or ()))

    async def go() -> tuple[str, list[dict[str, Any]]]:
        async with runtime.opened(load(config)) as it:
            found = await reports.look(it, options, say)
            kept = await reports.keep(it, "link", reports.body_of(found, options), name)
            return kept, [reports.shown(each) for each in found]

    with Progress(as_json) as say:
        kept, modules = wait_for(go())
    if as_json:
        say_json({"report": kept, "modules": modules})
        return
    for each in modules:
        _show_module(each, rows)
    out.print(
        f"\nReport {kept}. Nothing is linked yet: frontlist link accept {kept} --doubtful PRODUCT=RECORD", markup=False
    )


def _show_module(found: dict[str, Any], rows: int) -> None:
    counts = found["counts"]
    out.print(f"\nmodule {found['module']}: " + ", ".join(f"{n} {name}" for name, n in counts.items()), markup=False)
    doubtful = [
        (
            each["source"] if not i else "",
            each["name"] if not i else "",
            each["isbn"] if not i else "",
            *_candidate(one),
        )
        for each in found["doubtful"][: rows or None]
        for i, one in enumerate(each["records"])
    ]
    _list("doubtful", ("product", "name", "isbn", "record", "its name", "its isbn", "why"), doubtful, 0)
    missing = [(each["source"], each["title"], each["name"], each["isbn"]) for each in found["missing"]]
    _list("missing (a record would be made)", ("product", "title", "name", "isbn"), missing, rows)
    foreign = [
        (each["record"], each["record_name"], each["record_isbn"], ", ".join(each["twin_of"]))
        for each in found["foreign"]
    ]
    _list("foreign (no product; left alone)", ("record", "name", "isbn", "twin of"), foreign, rows)


def _candidate(one: dict[str, Any]) -> tuple[str, str, str, str]:
    return one["record"], one["record_name"], one["record_isbn"], "; ".join(one["doubts"] or one["reasons"])


def _list(title: str, columns: Sequence[str], found: Sequence[Sequence[object]], rows: int) -> None:
    if found:
        table(columns, _plain(found[: rows or None]), title=f"{title}:")
    if rows and len(found) > rows:
        out.print(f"... and {len(found) - rows} more: --rows 0, or --json", markup=False)


def _plain(rows: Sequence[Sequence[object]]) -> list[list[str]]:
    """Titles and field keys have brackets, which the terminal would take for styles."""
    return [[str(cell) for cell in row] for row in rows]


def link_accept(
    report: Report, doubtful: Doubtful = None, decided: Decided = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Write the links of a report: all that are sure, and the doubtful ones that you name."""
    answers = [*(doubtful or ()), *_answers(decided)]

    async def go() -> accepting.Accepted:
        async with runtime.opened(load(config)) as it:
            return await accepting.accept(it, report, answers, say)

    with Progress(as_json) as say:
        done = wait_for(go())
    if as_json:
        say_json({**vars(done)})
        return
    out.print(f"{done.links} links, {done.ruled_out} products to get a record of their own.")
    for module in done.open:
        out.print(f"Records may be made in module {module} from now on.", markup=False)
    for module, left in done.undecided.items():
        out.print(
            f"Held back in module {module}: {len(left)} are undecided ({', '.join(left[:12])}), "
            "and no records are made for them. Run frontlist link again and name them with --doubtful.",
            markup=False,
        )


def _answers(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the answers cannot be read: {error}", where=str(file), cure="write PRODUCT=RECORD, one a line, in UTF-8"
        ) from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def link_undo(
    place: Annotated[str, typer.Argument(help="The link: module/source, e.g. product/94741.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take one link back; the record stays as it is."""

    async def go() -> Linked:
        async with runtime.opened(load(config)) as it:
            return await accepting.undo(it, place)

    undone = wait_for(go())
    if as_json:
        say_json({"module": undone.kind, "source": undone.source_id, "title": undone.title})
        return
    out.print(f"{undone.kind}/{undone.source_id} is not linked any more.", markup=False)


# --- adopt ----------------------------------------------------------------------------------------------------------


def adopt_report(
    ctx: typer.Context, name: Name = "", rows: Rows = 0, config: Config = None, as_json: AsJson = False
) -> None:
    """Compare the values of linked records, both ways, field by field; keeps the report under a name."""
    if ctx.invoked_subcommand is not None:
        return

    async def go() -> tuple[str, list[dict[str, Any]]]:
        async with runtime.opened(load(config)) as it:
            changes = await values.look(it, say)
            return await adoptions.keep(it, changes, name), adoptions.shown(changes)

    with Progress(as_json) as say:
        kept, fields = wait_for(go())
    if as_json:
        say_json({"report": kept, "fields": fields})
        return
    columns = ("field", "overwrite", "erase", "fill", "beside", "equal", "example")
    found = [
        (f"{row['target']}/{row['kind']}/{row['field']}", *(row["counts"][c] for c in columns[1:-1]), _example(row))
        for row in fields
    ]
    table(columns, _plain(found[: rows or None]))
    out.print(f"\nReport {kept}. Overwriting follows the mode of the flow; an empty value erases nothing", markup=False)
    out.print(f"before you accept it: frontlist adopt accept {kept} --fields FIELD --title work:ID", markup=False)


def _example(row: dict[str, Any]) -> str:
    for effect in ("overwrite", "erase", "beside", "fill"):
        for one in row["examples"].get(effect, ()):
            return f"{short(one['old'], 40)} -> {short(one['new'], 40)} ({one['title']})"
    return ""


def adopt_accept(
    report: Report, fields: Fields = None, titles: Titles = None, config: Config = None, as_json: AsJson = False
) -> None:
    """Allow that Consonance's empty values clear these cells, as the report shows them."""
    keys = [key for each in fields or () for key in _split(each)]

    async def go() -> adoptions.Accepted:
        async with runtime.opened(load(config)) as it:
            return await adoptions.accept(it, report, keys, [TitleKey(each) for each in titles or ()], say)

    with Progress(as_json) as say:
        done = wait_for(go())
    if as_json:
        say_json({**vars(done)})
        return
    out.print(f"{done.cells} cells of {done.titles} titles may be cleared: {', '.join(done.fields)}", markup=False)


def _split(fields: str) -> list[str]:
    """By commas outside brackets: `title,price[channel=web,locale=en_GB]` are two."""
    found, depth = [""], 0
    for sign in fields:
        depth += {"[": 1, "]": -1}.get(sign, 0)
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return [each.strip() for each in found if each.strip()]
