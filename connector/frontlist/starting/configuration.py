"""The text of `frontlist.yaml`."""

from __future__ import annotations

import json
from pathlib import Path

from frontlist.starting.answers import Access, Answers

_TEXT = """\
# Written by `frontlist init`. Every setting with its default and unit: docs/settings.md. An environment variable wins
# over this file: FRONTLIST_DATABASE, FRONTLIST_CONSONANCE__KEY, ... (nested by two underscores).

# The installation's name. It goes into the ids of all that Frontlist creates and never changes.
tenant: {tenant}
{test}
# PostgreSQL for any number of replicas, SQLite for one process: postgresql://user:password@host/name
database: {database}

# Which field is which; `frontlist check` compares it with the tenants.
mapping: {mapping}

kafka:
  bootstrap: {kafka}
  # What our topics' names begin with, and their partitions: both fixed once `frontlist topics apply` has made them.
  # prefix: frontlist
  # partitions: 8
  # replication_factor: 3

consonance:
  url: {consonance_url}
{consonance_key}
  # The publisher's time zone: dates of Consonance are days there.
  zone: {zone}
  # Calls a second at most, reads included; the vendor documents no limit.
  # calls_per_second: 2

fourallportal:
  url: {fourallportal_url}
{fourallportal_key}
  # Keys have a validity that no API tells: with its last day here, `frontlist check` warns in time.
  # key_expires: 2027-12-31
  # The tenant's values of the dimension locale.
  locales: {locales}
  # calls_per_second: 4

# Probes and metrics; in a container 0.0.0.0:9464, or off.
# health:
#   listen: 127.0.0.1:9464

# log:
#   level: info
#   json_lines: true
"""
_TEST = """
# A test installation: it refuses the vendors' production hosts.
test: true
"""


def text(answers: Answers, mapping: Path) -> str:
    """Keys stand in it only where that was asked for."""
    return _TEXT.format(
        tenant=json.dumps(answers.tenant),
        test=_TEST if answers.test else "",
        database=json.dumps(answers.database),
        mapping=json.dumps(mapping.name),
        kafka=json.dumps(answers.kafka),
        consonance_url=json.dumps(answers.consonance.url),
        consonance_key=_key(answers.consonance, "CONSONANCE"),
        zone=json.dumps(answers.zone),
        fourallportal_url=json.dumps(answers.fourallportal.url),
        fourallportal_key=_key(answers.fourallportal, "FOURALLPORTAL"),
        locales=json.dumps(list(answers.locales)),
    )


def _key(access: Access, name: str) -> str:
    variable = f"FRONTLIST_{name}__KEY"
    if access.write_key and access.key is not None:
        return f"  # A secret: keep this file to yourself.\n  key: {json.dumps(access.key)}"
    if access.key_file is not None:
        about = f"  # Or the environment variable {variable} (then take this line out)."
        return f"{about}\n  key_file: {json.dumps(str(access.key_file))}"
    about = f"  # The key comes from the environment variable {variable}; or name a file that holds it."
    return f"{about}\n  # key_file: /run/secrets/{name.lower()}"
