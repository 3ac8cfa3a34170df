"""The configuration: `frontlist.yaml`, over which environment variables `FRONTLIST_...` win (nested by `__`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from frontlist import logs
from frontlist.brakes import BrakeSettings
from frontlist.breaker import BreakerSettings
from frontlist.capture import CaptureSettings
from frontlist.ending import ShutdownSettings
from frontlist.ensure import EnsureSettings
from frontlist.errors import ConfigurationError
from frontlist.gentleness import BackfillSettings
from frontlist.health import HealthSettings
from frontlist.intake import IntakeSettings
from frontlist.kafka import KafkaSettings
from frontlist.keeping import KeepSettings
from frontlist.sweeping import ReconcileSettings
from frontlist.systems.consonance.settings import ConsonanceSettings
from frontlist.systems.fourallportal.settings import FourallportalSettings
from frontlist.tracing import TelemetrySettings
from frontlist.work import WorkSettings

#: Hosts at which a test configuration refuses to start.
PRODUCTION = ("web.consonance.app", "app.bibliocloud.com")
FILE = Path("frontlist.yaml")


class LogSettings(BaseModel):
    """What the log looks like."""

    model_config = ConfigDict(extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is said at least")
    json_lines: bool = Field(False, description="one JSON object a line, for machines")


class Settings(BaseSettings):
    """One installation: one pair of tenants."""

    model_config = SettingsConfigDict(env_prefix="FRONTLIST_", env_nested_delimiter="__", extra="forbid")

    tenant: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="the installation's name; never changes")
    database: str = Field("sqlite:///frontlist.sqlite", description="postgresql://... or sqlite:///file")
    mapping: Path = Field(Path("mapping.yaml"), description="the field mapping")
    test: bool = Field(False, description="a test installation: refuses the vendors' production hosts")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="Kafka")
    consonance: ConsonanceSettings = Field(description="Consonance")
    fourallportal: FourallportalSettings = Field(description="4ALLPORTAL")
    systems: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="a section for each further system, as its plugin describes it"
    )
    capture: CaptureSettings = Field(default_factory=CaptureSettings, description="capture")
    intake: IntakeSettings = Field(default_factory=IntakeSettings, description="intake")
    work: WorkSettings = Field(default_factory=WorkSettings, description="work")
    ensure: EnsureSettings = Field(default_factory=EnsureSettings, description="ensure")
    breaker: BreakerSettings = Field(default_factory=BreakerSettings, description="when a system is left alone")
    backfill: BackfillSettings = Field(default_factory=BackfillSettings, description="how gently Consonance is filled")
    health: HealthSettings = Field(default_factory=HealthSettings, description="probes and metrics")
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings, description="traces")
    brakes: BrakeSettings = Field(default_factory=BrakeSettings, description="what waits for a person")
    reconcile: ReconcileSettings = Field(default_factory=ReconcileSettings, description="drift")
    keep: KeepSettings = Field(default_factory=KeepSettings, description="what is kept how long")
    shutdown: ShutdownSettings = Field(default_factory=ShutdownSettings, description="how the process ends")
    log: LogSettings = Field(default_factory=LogSettings, description="the log")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)

    def secrets(self) -> list[str]:
        """Every secret that is known now, so that the log can hide them wherever they turn up."""
        found = [self.kafka.password.get_secret_value() if self.kafka.password else None]
        found.append(make_url(self.database).password)
        for key in (self.consonance.secret, self.fourallportal.api_key):
            with contextlib.suppress(ConfigurationError):
                found.append(key())
        found += _secrets("", self.systems)
        return [each for each in found if each]


def _secrets(name: str, said: Any) -> Iterator[str]:
    """What a plugin's section calls a key, a password, a token or a secret."""
    if isinstance(said, Mapping):
        for key, each in said.items():
            yield from _secrets(str(key), each)
    elif isinstance(said, list):
        for each in said:
            yield from _secrets(name, each)
    elif isinstance(said, str) and logs.names_a_secret(name):
        yield said


def load(file: Path | None = None) -> Settings:
    """The settings of `frontlist.yaml` (or FRONTLIST_CONFIG); raises ConfigurationError with line and cure."""
    path = file or Path(os.environ.get("FRONTLIST_CONFIG", FILE))
    raw = _read(path)
    data = _plain(raw)
    if bootstrap := os.environ.get("FRONTLIST_KAFKA_BOOTSTRAP"):
        data["kafka"] = {**(data.get("kafka") or {}), "bootstrap": bootstrap}
    try:
        settings = Settings(**data)
    except ValidationError as error:
        raise _explained(error, raw, path) from None
    except SettingsError as error:
        raise ConfigurationError(
            f"an environment variable cannot be read: {error}",
            where="environment",
            cure="give a section as JSON, or one variable for each of its fields, e.g. FRONTLIST_KAFKA__BOOTSTRAP",
        ) from None
    if not settings.mapping.is_absolute():
        settings.mapping = path.parent / settings.mapping
    return checked(settings)


def checked(settings: Settings) -> Settings:
    """Contradictions refuse to start."""
    try:
        url = make_url(settings.database)
    except (ArgumentError, ValueError):  # its text may hold a password
        raise ConfigurationError(
            "`database` is no address of a database",
            where="database",
            cure="use postgresql://user:password@host/name or sqlite:///file",
        ) from None
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).parent.is_dir():
        raise ConfigurationError(
            f"the folder {Path(url.database).parent} does not exist",
            where="database",
            cure="make it, or name another file; sqlite:////data/x is absolute, sqlite:///data/x is not",
        )
    for name, address in (
        ("consonance.url", settings.consonance.url),
        ("fourallportal.url", settings.fourallportal.url),
    ):
        host = _host(address)
        if settings.test and host in PRODUCTION:
            raise ConfigurationError(
                f"a test configuration points at the production host {host}",
                where=name,
                cure="use the vendor's demo host or the sandbox, or take `test: true` out",
            )
    return settings


def _host(url: str) -> str | None:
    """As DNS sees it: lower case, and a last dot makes no other host."""
    try:
        found = urlsplit(url).hostname
    except ValueError:  # said by the system's own client
        return None
    return found and found.rstrip(".")


def _read(path: Path) -> CommentedMap:
    try:
        found = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} does not exist", cure="write one with `frontlist init`, or name another with --config"
        ) from None
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigurationError(
            f"{path}{line}: this is no YAML: {said}", cure="correct that line, or the one above it"
        ) from None
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", cure="correct it; it is YAML in UTF-8") from None
    if not isinstance(found, CommentedMap):
        raise ConfigurationError(f"{path} is empty or no mapping", cure="write one with `frontlist init`")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, CommentedSeq | list):
        return [_plain(each) for each in value]
    return value


def _explained(error: ValidationError, raw: CommentedMap, path: Path) -> ConfigurationError:
    said = []
    for each in error.errors():
        place = ".".join(str(part) for part in each["loc"])
        line = _line(raw, each["loc"])
        message = each["msg"].removeprefix("Value error, ")
        said.append(f"{path}{f':{line}' if line else ''}: {place}: {message}")
    cure = "correct it there or by the environment variable FRONTLIST_" + "__".join(
        str(part).upper() for part in error.errors()[0]["loc"]
    )
    return ConfigurationError("; ".join(said), cure=cure)


def _line(raw: CommentedMap, place: tuple[int | str, ...]) -> int | None:
    """The line of a key, or of the nearest one above it."""
    line: int | None = None
    here: Any = raw
    for part in place:
        if not isinstance(here, CommentedMap) or part not in here:
            break
        line = here.lc.key(part)[0] + 1
        here = here[part]
    return line
