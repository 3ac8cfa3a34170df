"""The figures of delivery: `make bench`, or `make bench ONLY=distinct,intake`.

python benchmarks/bench.py [--only distinct,repeated20] [--quick] [--json build/bench.json]

A real Kafka and PostgreSQL, a counting target written in Go, Frontlist as the process that `frontlist run` is, and, for
the figures that compare, Confluent Parallel Consumer and Redpanda Connect in the same run. What is needed beside
Python: Go for the target (1.26 or newer for Redpanda Connect); Java 17 and Maven for Parallel Consumer. Read ratios,
not absolutes.
"""

from __future__ import annotations

import argparse
import compileall
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benching import programs, report
from benching.contenders import Place
from benching.figures import FIGURES, Bench, Scale
from benching.report import say
from benching.target import CountingServer
from confluent_kafka import Consumer, KafkaException, TopicPartition

import frontlist
import frontlist_metadata
import frontlist_schemas
from frontlist.embedded import bootstrap_servers, database_url
from frontlist_sandbox.up import Wanted, up

#: Figures that a peer stands beside.
COMPARED = {"distinct", "repeated20", "repeated0", "kill", "poison", "slow", "limit"}
QUICK = Scale(records=4_000, titles=500, zombies=2, due=10_000, changes=40, intake=10_000, behind=100_000, patience=90)
SHIPPED = (
    "Frontlist runs as shipped (database, leases, intents, journal), but for its budgets: 256 calls at once, not paced."
)


def main() -> None:
    said = _arguments()
    names = said.only.split(",") if said.only else list(FIGURES)
    if unknown := [name for name in names if name not in FIGURES]:
        raise SystemExit(f"No figure is called {', '.join(unknown)}: choose of {', '.join(FIGURES)}.")
    with ExitStack() as running:
        bench, notes = _bench(running, said, peers=not said.alone and bool(COMPARED & set(names)))
        figures = []
        for name in names:
            say(f"{name}: {(FIGURES[name].__doc__ or '').strip()}")
            figures.append(FIGURES[name](bench))
            report.keep(said.json, figures, notes)
    sys.stdout.write("\n" + report.show(figures, notes))


def _bench(running: ExitStack, said: argparse.Namespace, *, peers: bool) -> tuple[Bench, list[str]]:
    built = programs.built(peers)
    _compiled()
    # The product's settings read these too, and would prefer them to the benchmark's own.
    kafka = running.enter_context(bootstrap_servers(say, environment=dict(os.environ)))
    postgres = running.enter_context(database_url(environment=dict(os.environ)))
    for name in [name for name in os.environ if name.startswith("FRONTLIST_")]:
        del os.environ[name]
    sys.path.insert(0, str(built.site))
    _coordinates(kafka)
    folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
    target = running.enter_context(CountingServer(built.target))
    tenants = running.enter_context(up(Wanted()))
    notes = [SHIPPED, *(f"{name} is not measured: {why}" for name, why in built.lacking.items())]
    for note in notes:
        say(note)
    scale = replace(QUICK if said.quick else Scale(), **dict(map(_amount, said.scale)))
    return Bench(Place(kafka, postgres, target.url, tenants, folder, built), target, scale), notes


def _compiled() -> None:
    """An installed Frontlist comes with bytecode; a checkout may have none, and each start would make it anew."""
    for package in (frontlist, frontlist_metadata, frontlist_schemas):
        compileall.compile_dir(Path(str(package.__file__)).parent, quiet=2)


def _coordinates(kafka: str) -> None:
    """A broker that never had a consumer group makes room for one first, and whoever starts first would wait for it."""
    consumer, until = Consumer({"bootstrap.servers": kafka, "group.id": "any"}), time.monotonic() + 60
    try:
        while True:
            try:
                consumer.committed([TopicPartition("any", 0)], 10)
                return
            except KafkaException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
    finally:
        consumer.close()


def _amount(said: str) -> tuple[str, Any]:
    name, _, number = said.partition("=")
    kinds = {name: type(each) for name, each in asdict(Scale()).items()}
    if name not in kinds:
        raise SystemExit(f"--scale {said}: choose of {', '.join(kinds)}, e.g. --scale zombies=2")
    return name, kinds[name](number)


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help=f"figures by comma: {', '.join(FIGURES)}")
    parser.add_argument("--quick", action="store_true", help="small loads, to see that everything runs")
    parser.add_argument("--scale", action="append", default=[], help="one amount, e.g. zombies=2; any number of times")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures go, too")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
