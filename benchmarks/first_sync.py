"""Figures of the first sync: titles of an ONIX catalogue from the Consonance sandbox into an empty 4ALLPORTAL sandbox.

python benchmarks/first_sync.py --titles 1000 --database sqlite --json build/first_sync.json
python benchmarks/first_sync.py --catalogue onix.xml --as-shipped

Real Kafka, the sandboxes in this process, the connector as the process that `frontlist run` is. Without `--as-shipped`
calls are not paced, so that the figures say what the connector can do, not what it is allowed to.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx

from frontlist.demo.installation import prepare
from frontlist.embedded import Postgres, bootstrap_servers
from frontlist.mapping import default_text
from frontlist.settings import load
from frontlist_sandbox.up import Up, Wanted, up

MAIN = "from frontlist.cli import main; main()"
#: Calls a second without `--as-shipped`.
UNPACED = 1e6
#: It is over when nothing was written for this long (seconds).
QUIET = 5.0
POLL = 0.25

FORMS = (("BC", "9.99"), ("BB", "20.00"), ("ED", "5.99"), ("AJ", "12.50"))
CURRENCIES = (("GBP", "02"), ("USD", "01"), ("EUR", "02"), ("AUD", "02"))
THEMA = ("FBA", "FF", "FYT", "NHD", "DNB", "WB", "YFB", "JPA", "KC", "PDZ")
BISAC = ("FIC019000", "FIC022000", "HIS015000", "BIO007000", "CKB000000", "JUV001000")
WORDS = ("river", "glass", "winter", "salt", "harbour", "echo", "orchard", "letter", "map", "lantern", "field", "tide")
NAMES = ("Ada", "Jonas", "Mira", "Tomasz", "Zoë", "Amara", "Lev", "Inès", "Okoro", "Brandt", "Suzuki", "Pérez", "Lund")


@dataclass(frozen=True)
class Figures:
    """What is printed; memory is the connector's peak, in MiB, CPU time its own."""

    titles: int
    products: int
    seconds: float
    titles_per_second: float
    consonance_calls: int
    fourallportal_calls: int
    fourallportal_writes: int
    peak_memory_mib: float
    cpu_seconds: float
    database: str
    paced: bool
    python: str
    cpus: int


# --- a catalogue -----------------------------------------------------------------------------------------------------


def onix(titles: int, seed: int = 1) -> Iterator[str]:
    """Plausible titles of one to four formats each, as ONIX 3.0; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  a catalogue, nothing secret
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<ONIXMessage xmlns="http://ns.editeur.org/onix/3.0/reference" '
    yield 'release="3.0"><Header><Sender><SenderName>Benchmark</SenderName></Sender></Header>\n'
    number = 0
    for work in range(titles):
        shared = _shared(chance)
        for form, price in FORMS[: chance.choice((1, 2, 2, 3, 3, 4))]:
            yield _product(number, work, form, price, shared, chance)
            number += 1
    yield "</ONIXMessage>\n"


def _shared(chance: random.Random) -> str:
    """What all formats of a title state: title, credits, subjects."""
    words = [chance.choice(WORDS) for _ in range(chance.randint(2, 4))]
    element = _tags(TitleElementLevel="01", TitlePrefix="The", TitleWithoutPrefix=" ".join(words).title())
    title = f"<TitleDetail><TitleType>01</TitleType><TitleElement>{element}</TitleElement></TitleDetail>"
    credits = "".join(_credit(place, chance) for place in range(1, chance.randint(1, 3) + 1))
    thema = chance.sample(THEMA, 3)
    subjects = "".join(_subject("93", code, main=code == thema[0]) for code in thema)
    return title + credits + "<NoEdition/>" + subjects + _subject("10", chance.choice(BISAC), main=True)


def _credit(place: int, chance: random.Random) -> str:
    first, last = chance.choice(NAMES), chance.choice(NAMES)
    named = {"PersonName": f"{first} {last}", "NamesBeforeKey": first, "KeyNames": last}
    return f"<Contributor>{_tags(SequenceNumber=str(place), ContributorRole='A01', **named)}</Contributor>"


def _subject(scheme: str, code: str, *, main: bool) -> str:
    flag = "<MainSubject/>" if main else ""
    return f"<Subject>{flag}{_tags(SubjectSchemeIdentifier=scheme, SubjectCode=code)}</Subject>"


def _product(number: int, work: int, form: str, price: str, shared: str, chance: random.Random) -> str:
    sizes = "".join(
        f"<Measure>{_tags(MeasureType=kind, Measurement=str(size), MeasureUnitCode='mm')}</Measure>"
        for kind, size in (("01", 198), ("02", 129), ("03", chance.randint(10, 40)))
        if form.startswith("B")
    )
    extent = _tags(ExtentType="00", ExtentValue=str(chance.randint(96, 640)), ExtentUnit="03")
    prices = "".join(
        f"<Price>{_tags(PriceType=kind, PriceQualifier='05', PriceAmount=price, CurrencyCode=currency)}</Price>"
        for currency, kind in CURRENCIES
    )
    text = " ".join(chance.choice(WORDS) for _ in range(120))
    copy = f"<TextContent>{_tags(TextType='03', ContentAudience='00', Text=text)}</TextContent>"
    day = f"20{chance.randint(10, 25)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
    dated = f"<PublishingDate>{_tags(PublishingDateRole='01', Date=day)}</PublishingDate>"
    territory = "<SalesRights><SalesRightsType>01</SalesRightsType><Territory>{}</Territory></SalesRights>"
    rights = territory.format(_tags(RegionsIncluded="WORLD"))
    identifier = f"<WorkIdentifier>{_tags(WorkIDType='01', IDTypeName='w', IDValue=f'W{work}')}</WorkIdentifier>"
    return "\n".join(
        (
            "<Product>",
            _tags(RecordReference=f"benchmark.{number}", NotificationType="03"),
            f"<ProductIdentifier>{_tags(ProductIDType='15', IDValue=isbn(number))}</ProductIdentifier>",
            f"<DescriptiveDetail>{_tags(ProductComposition='00', ProductForm=form)}{sizes}{shared}",
            f"<Extent>{extent}</Extent></DescriptiveDetail><CollateralDetail>{copy}</CollateralDetail>",
            f"<PublishingDetail><Imprint>{_tags(ImprintName=f'Imprint {work % 5}')}</Imprint>",
            f"{_tags(PublishingStatus='04')}{dated}{rights}</PublishingDetail>",
            f"<RelatedMaterial><RelatedWork>{_tags(WorkRelationCode='01')}{identifier}</RelatedWork></RelatedMaterial>",
            f"<ProductSupply><SupplyDetail>{_tags(ProductAvailability='20')}{prices}</SupplyDetail></ProductSupply>",
            "</Product>\n",
        )
    )


def isbn(number: int) -> str:
    """An ISBN-13 with its check digit."""
    digits = f"97812{number:07}"
    check = -sum(int(each) * (3 if place % 2 else 1) for place, each in enumerate(digits)) % 10
    return f"{digits}{check}"


def _tags(**values: str) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


# --- the run ---------------------------------------------------------------------------------------------------------


def measure(arguments: argparse.Namespace) -> Figures:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        catalogue = tuple(arguments.catalogue or [_generated(folder, arguments.titles)])
        kafka = running.enter_context(bootstrap_servers(_say))
        database = _database(running, folder, arguments.database)
        both = running.enter_context(up(Wanted(catalogue=catalogue)))
        configuration = _configuration(folder, kafka, database, both, arguments.as_shipped)
        asyncio.run(prepare(load(configuration)))
        _say(f"{len(both.tenant.works)} titles, {len(both.tenant.products)} products are served; the connector starts")
        began = time.monotonic()
        with _connector(configuration, arguments.profile) as connector:
            ended = _watch(both, connector, arguments.patience)
            usage = _stop(connector)
        return _figures(both, ended - began, usage, arguments)


def _generated(folder: Path, titles: int) -> Path:
    path = folder / "catalogue.xml"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(onix(titles))
    return path


def _database(running: ExitStack, folder: Path, kind: str) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder}/frontlist.sqlite"
    return running.enter_context(Postgres()).create_database("benchmark")


def _configuration(folder: Path, kafka: str, database: str, both: Up, as_shipped: bool) -> Path:
    """As a new installation has it, but for pauses that only tenants need."""
    pace: dict[str, Any] = {} if as_shipped else {"calls_per_second": UNPACED}
    dam = {"locales": ["en_GB", "de_DE"], "rebuild_pause": 0.2, "rebuild_seconds": 0.0}
    systems = {
        "consonance": {"zone": "Europe/London", **pace},
        "fourallportal": {**dam, **pace},
    }
    for each in both.served:
        systems[each.name] |= {"url": each.url, "key": each.key}
    prefix = f"benchmark-{os.getpid()}"
    said = {
        "tenant": "benchmark",
        "test": True,
        "database": database,
        "mapping": "mapping.yaml",
        "kafka": {"bootstrap": kafka, "prefix": prefix, "group": prefix},
        "log": {"level": "warning"},
        **systems,
    }
    (folder / "mapping.yaml").write_text(default_text(), encoding="utf-8")
    file = folder / "frontlist.yaml"
    file.write_text(json.dumps(said), encoding="utf-8")
    return file


@contextmanager
def _connector(configuration: Path, profile: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    script = configuration.with_name("connector.py")
    script.write_text(MAIN, encoding="utf-8")
    profiled = ["-m", "cProfile", "-o", str(profile.absolute())] if profile else []
    line = [sys.executable, *profiled, str(script), "run", "--config", str(configuration)]
    process = subprocess.Popen(line)  # noqa: S603  our own program
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def _watch(both: Up, connector: subprocess.Popen[bytes], patience: float) -> float:
    """When the last write was made, once every record is there and nothing was written for a while."""
    portal = httpx.Client(base_url=both["fourallportal"].url, timeout=30)
    wanted = (len(both.tenant.products), len(both.tenant.works))
    writes, last, deadline = -1, time.monotonic(), time.monotonic() + patience
    shown = 0.0
    with portal:
        while True:
            now, modules = time.monotonic(), portal.get("/sandbox/state").json()["modules"]
            there = (modules["product"]["visible"], modules["title"]["visible"])
            made = portal.get("/sandbox/calls", params={"path": "^$"}).json()["writes"]
            if made != writes:
                writes, last = made, now
            if there >= wanted and now - last > QUIET:
                return last
            if now - shown > 10:
                shown = now
                _say(f"  {there[0]} of {wanted[0]} products, {there[1]} of {wanted[1]} titles")
            if now > deadline or connector.poll() is not None:
                raise SystemExit(
                    f"ended before all had arrived: {there} of {wanted}; see what the connector said above"
                )
            time.sleep(POLL)


def _stop(connector: subprocess.Popen[bytes]) -> Any:
    """Ends the connector; answers what it used."""
    connector.terminate()
    _, status, usage = os.wait4(connector.pid, 0)
    connector.returncode = os.waitstatus_to_exitcode(status)
    return usage


def _figures(both: Up, seconds: float, usage: Any, arguments: argparse.Namespace) -> Figures:
    left, right = (httpx.get(f"{each.url}/sandbox/calls", params={"path": "^$"}).json() for each in both.served)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Figures(
        titles=len(both.tenant.works),
        products=len(both.tenant.products),
        seconds=round(seconds, 1),
        titles_per_second=round(len(both.tenant.works) / seconds, 1),
        consonance_calls=left["total"],
        fourallportal_calls=right["total"],
        fourallportal_writes=right["writes"],
        peak_memory_mib=round(usage.ru_maxrss / unit, 1),
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 1),
        database=arguments.database,
        paced=arguments.as_shipped,
        python=platform.python_version(),
        cpus=os.cpu_count() or 0,
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--titles", type=int, default=1000, help="how many titles to make up")
    parser.add_argument("--catalogue", type=Path, action="append", help="an ONIX file instead, any number of times")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--as-shipped", action="store_true", help="calls at the default pace")
    parser.add_argument("--patience", type=float, default=1800.0, help="seconds until it is given up")
    parser.add_argument("--profile", type=Path, help="where the connector's cProfile goes; it is slower then")
    parser.add_argument("--json", type=Path, help="where the figures go, too")
    return parser.parse_args(words)


def main() -> None:
    arguments = _arguments()
    found = asdict(measure(arguments))
    width = max(map(len, found))
    sys.stdout.write("".join(f"{name.ljust(width)}  {value}\n" for name, value in found.items()))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
