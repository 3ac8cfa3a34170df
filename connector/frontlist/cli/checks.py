"""Commands that compare: check, explain, init."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from frontlist import checking, explaining, logs, runtime, starting
from frontlist.checking import Check, Report, Scratch, Settled
from frontlist.cli.terminal import AsJson, Config, Progress, out, say_error, say_json, table, wait_for
from frontlist.errors import ConfigurationError
from frontlist.settings import FILE, load

WRONG = 1
#: Characters of a value that a table shows; `--json` has all of it.
CELL = 48
ProbeWrites = Annotated[
    str,
    typer.Option(
        metavar="MODULE/ID/FIELD",
        help="Also try, with two writes, what a PATCH does to other cells: on this text field of a record of "
        "4ALLPORTAL that is made for trying. What it held is written back.",
    ),
]


def add_to(app: typer.Typer) -> None:
    app.command()(check)
    app.command()(explain)
    app.command()(init)


def check(config: Config = None, as_json: AsJson = False, probe_writes: ProbeWrites = "") -> None:
    """Look at all that the installation rests on, without writing; exit 1 if something failed."""
    logs.configure("error")
    scratch = Scratch.of(probe_writes) if probe_writes else None
    with Progress(as_json) as say:
        report = wait_for(checking.check(config, scratch, say))
    if as_json:
        say_json(report.as_json())
    else:
        show_report(report)
    if report.failed:
        raise typer.Exit(WRONG)


def show_report(report: Report) -> None:
    table(("where", "what", "is", "found"), [_row(each) for each in report.checks])
    cures = [each for each in report.checks if each.status != "ok" and (each.cure or each.where)]
    if cures:
        table(("what", "where", "cure"), [(each.what, each.where, each.cure) for each in cures], title="\nCures")
    table(
        ("assumption", "is", "seen"),
        [(each.id, each.status, each.detail) for each in report.assumptions],
        title="\nAssumptions of the sandboxes, held against these tenants",
    )
    out.print(f"\n{_counted(report.checks, ('ok', 'warning', 'failed', 'unknown'))}", markup=False)
    out.print(f"assumptions: {_counted(report.assumptions, ('confirmed', 'refuted', 'unknown'))}", markup=False)


def _row(each: Check) -> tuple[str, str, str, str]:
    return each.area, each.what, each.status, each.detail


def _counted(found: Sequence[Check] | Sequence[Settled], words: Sequence[str]) -> str:
    return ", ".join(f"{sum(each.status == word for each in found)} {word}" for word in words)


def explain(
    title: Annotated[str, typer.Argument(help="A title (work:61417), a work id or an ISBN.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Every document of a title, and what each consumer would do now and why; nothing is written."""
    logs.configure("error")

    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it:
            return await explaining.explain(it, title)

    try:
        found = wait_for(go())
    except explaining.UnknownTitleError as error:
        say_error(error)
        raise typer.Exit(WRONG) from None
    if as_json:
        say_json(found)
        return
    show_title(found)


def show_title(found: dict[str, Any]) -> None:
    out.print(f"{found['title']}  imprint {found['imprint'] or 'unknown'}  at {found['at']}", markup=False)
    for note in found["notes"]:
        out.print(f"note: {note}", markup=False)
    table(
        ("document", "state", "revision", "age", "confirmed", "remark"),
        [
            (d["document"], d["state"], d["at"] or "", _age(d["age_seconds"]), d["confirmed_at"] or "", _remark(d))
            for d in found["documents"]
        ],
        title="\nDocuments",
    )
    if found["links"]:
        rows = [(f"{each['target']}/{each['kind']}", each["source"], each["id"]) for each in found["links"]]
        table(("linked", "source", "id there"), rows, title="\nLinks")
    for each in found["consumers"]:
        _consumer(each)
    if found["written"]:
        table(
            ("at", "resource", "field", "was", "became"),
            [(w["at"], w["resource"], w["field"], _short(w["was"]), _short(w["becomes"])) for w in found["written"]],
            title="\nOverwritten last",
        )


def _consumer(each: dict[str, Any]) -> None:
    out.print(f"\nConsumer {each['consumer']}: {_due(each['work'])}", markup=False)
    for line in (*([f"the plan failed: {each['error']}"] if each["error"] else []), *each["notes"]):
        out.print(f"  note: {line}", markup=False)
    for wait in each["waits"]:
        out.print(f"  waits for {wait['for']}: {wait['why']}", markup=False)
    if each["next_at"]:
        out.print(f"  answers otherwise from {each['next_at']} on", markup=False)
    for desired in each["desired"]:
        _desired(desired)
    if each["findings"]:
        rows = [(f["severity"], f["message"], f["where"], f["cure"]) for f in each["findings"]]
        table(("finding", "what", "where", "cure"), rows, title="\n  Findings")


def _desired(desired: dict[str, Any]) -> None:
    there = {True: "there", False: "not there", None: "not read"}[desired["there"]]
    doubt = ", in doubt" if desired["in_doubt"] else ""
    head = f"\n  {desired['kind']} {desired['resource']} ({there}{doubt}), flow {desired['flow']}"
    out.print(f"{head}, mode {desired['mode']}: {desired['does']}", markup=False)
    if desired["waits"]:
        out.print(f"  waits: {desired['waits']}", markup=False)
    if desired["dead_letter"]:
        out.print(f"  dead letter: {desired['dead_letter']}", markup=False)
    table(
        ("  field", "would change", "desired", "applied", "in the target", ""),
        [
            (
                f"  {f['field']}",
                f["change"],
                _short(f["desired"]),
                _short(f["applied"]),
                _short(f["actual"]) if f["actual_known"] else "?",
                f["why"],
            )
            for f in desired["fields"]
        ],
    )


def _due(row: dict[str, Any] | None) -> str:
    if row is None:
        return "never due"
    when = "due now" if row["is_due"] else f"next due {row['due_at']}" if row["due_at"] else "not due"
    last = f"last outcome {row['outcome']} at {row['finished_at']}" if row["outcome"] else "not worked yet"
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{when} ({row['reason']}, {row['attempts']} attempts), {last}{detail}"


def _remark(document: dict[str, Any]) -> str:
    parts = [document["reason"], document["merged_into"] and f"merged into {document['merged_into']}"]
    return "; ".join(part for part in parts if part)


def _age(seconds: int | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds)} s"


def _short(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def init(
    config: Annotated[Path, typer.Option("--config", "-c", help="The file to write; mapping.yaml beside it.")] = FILE,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    tenant: Annotated[str, typer.Option(help="The installation's name; never changes.")] = "",
    zone: Annotated[str, typer.Option(help="The publisher's time zone, e.g. Europe/London.")] = "",
    locale: Annotated[list[str] | None, typer.Option(help="A locale of 4ALLPORTAL: en_GB, or en_GB=eng.")] = None,
    currency: Annotated[list[str] | None, typer.Option(help="A currency of the publisher: GBP.")] = None,
    consonance_url: Annotated[str, typer.Option(help="Where you connect to Consonance.")] = "",
    consonance_key_file: Annotated[Path | None, typer.Option(help="File of its key.")] = None,
    fourallportal_url: Annotated[str, typer.Option(help="Where you connect to 4ALLPORTAL.")] = "",
    fourallportal_key_file: Annotated[Path | None, typer.Option(help="File of its key.")] = None,
    product_module: Annotated[str, typer.Option(help="4ALLPORTAL's module of products (default: found).")] = "",
    title_module: Annotated[str, typer.Option(help="4ALLPORTAL's module of titles (default: found).")] = "",
    database: Annotated[str, typer.Option(help="postgresql://... or sqlite:///file.")] = "sqlite:///frontlist.sqlite",
    kafka: Annotated[str, typer.Option(help="Kafka, host:port.")] = "127.0.0.1:9092",
    test: Annotated[bool, typer.Option("--test", help="A test installation, which refuses production.")] = False,
    write_keys: Annotated[
        bool, typer.Option("--write-keys", help="Write the keys of FRONTLIST_..._KEY into the file.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a first frontlist.yaml and mapping.yaml, fitted to the tenants where they can be reached.

    What is not given is asked for. Keys come from files or FRONTLIST_CONSONANCE__KEY and FRONTLIST_FOURALLPORTAL__KEY.
    """
    logs.configure("error")
    starting.refuse_to_overwrite((config, config.parent / "mapping.yaml"), force)
    answers = starting.Answers(
        tenant=tenant or _asked("The installation's name (a-z, 0-9, dashes)", "--tenant"),
        zone=zone or _asked("The publisher's time zone, e.g. Europe/London", "--zone"),
        locales=starting.locales(locale or _asked("Locales of 4ALLPORTAL, e.g. en_GB de_DE", "--locale").split()),
        currencies=tuple(currency or _asked("Currencies, e.g. GBP USD", "--currency").split()),
        consonance=starting.Access(
            consonance_url or _asked("Address of Consonance", "--consonance-url"),
            consonance_key_file,
            None if consonance_key_file else os.environ.get("FRONTLIST_CONSONANCE__KEY"),
            write_keys,
        ),
        fourallportal=starting.Access(
            fourallportal_url or _asked("Address of 4ALLPORTAL", "--fourallportal-url"),
            fourallportal_key_file,
            None if fourallportal_key_file else os.environ.get("FRONTLIST_FOURALLPORTAL__KEY"),
            write_keys,
        ),
        database=database,
        kafka=kafka,
        modules=starting.Modules(product_module or None, title_module or None),
        test=test,
    )
    with Progress(as_json) as say:
        made = wait_for(starting.start(answers, config, force=force, say=say))
    if as_json:
        say_json(vars(made))
        return
    out.print(f"wrote {made.configuration} and {made.mapping}", markup=False)
    if made.left_out:
        table(("commented out in the mapping", ""), [_pair(line) for line in made.left_out])
    for note in made.notes:
        out.print(f"note: {note}", markup=False)
    out.print("next: frontlist db upgrade, frontlist topics apply, frontlist check", markup=False)


def _pair(line: str) -> tuple[str, str]:
    what, _, why = line.partition("  (")
    return what, why.removesuffix(")")


def _asked(question: str, option: str) -> str:
    """From a person; a program has to give the option."""
    if not sys.stdin.isatty():
        raise ConfigurationError("not everything was given", where=option, cure=f"give {option}: {question}")
    return str(typer.prompt(question, err=True))
