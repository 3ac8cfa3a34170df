"""What a person says at `frontlist init`; there is no silent default for zone, locales and currencies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pycountry

from frontlist.errors import ConfigurationError
from frontlist.mapping import codes

_LANGUAGES: Any = pycountry.languages
TENANT = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Access:
    """One system. `key`: only for looking now, unless `write_key`; `key_file`: what the configuration refers to."""

    url: str
    key_file: Path | None = None
    key: str | None = field(default=None, repr=False)
    write_key: bool = False


@dataclass(frozen=True)
class Modules:
    """Technical names where a person gives them; None = found out, else the sandbox's."""

    product: str | None = None
    title: str | None = None


@dataclass(frozen=True)
class Answers:
    """`locales`: locale of 4ALLPORTAL -> language of ONIX List 74."""

    tenant: str
    zone: str
    locales: Mapping[str, str]
    currencies: tuple[str, ...]
    consonance: Access
    fourallportal: Access
    database: str = "sqlite:///frontlist.sqlite"
    kafka: str = "127.0.0.1:9092"
    modules: Modules = Modules()
    test: bool = False


def checked(answers: Answers) -> Answers:
    """Raises ConfigurationError for what no file could hold."""
    if not TENANT.fullmatch(answers.tenant):
        raise ConfigurationError(f"{answers.tenant!r} is no name", where="--tenant", cure="use a-z, 0-9 and dashes")
    try:
        ZoneInfo(answers.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        cure = "use a name such as Europe/London"
        raise ConfigurationError(f"{answers.zone!r} is no time zone", where="--zone", cure=cure) from error
    if answers.modules.product is not None and answers.modules.product == answers.modules.title:
        cure = "leave --title-module out, or name the titles' own"
        raise ConfigurationError("products and titles are in one module", where="--title-module", cure=cure)
    stray = [code for code in answers.currencies if not codes.is_currency(code)]
    if stray or not answers.currencies:
        said = f"{stray[0]!r} is no currency of ISO 4217" if stray else "there are no currencies"
        raise ConfigurationError(said, where="--currency", cure="give codes such as GBP")
    for access, name in ((answers.consonance, "consonance"), (answers.fourallportal, "fourallportal")):
        if not access.url.startswith(("http://", "https://")):
            cure = "give scheme and host, e.g. https://..."
            raise ConfigurationError(f"{access.url!r} is no http(s) address", where=f"--{name}-url", cure=cure)
    return answers


def locales(given: Iterable[str]) -> dict[str, str]:
    """From `en_GB=eng` or `en_GB`, whose language is looked up."""
    found = dict(_locale(each) for each in given)
    if not found:
        raise ConfigurationError("there are no locales", where="--locale", cure="give them, e.g. en_GB or en_GB=eng")
    return found


def _locale(text: str) -> tuple[str, str]:
    name, _, code = text.partition("=")
    code = code or _language(name)
    cure = codes.language_cure(code) if code else "write it as en_GB=eng (ONIX List 74)"
    if cure or not name:
        raise ConfigurationError(f"the locale {text!r} has no ONIX language", where="--locale", cure=cure)
    return name, code


def _language(locale: str) -> str:
    """List 74 is ISO 639-2/B: de_DE is ger."""
    found = _LANGUAGES.get(alpha_2=locale[:2].lower())
    return str(getattr(found, "bibliographic", found.alpha_3)) if found else ""
