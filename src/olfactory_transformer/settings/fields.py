"""Every setting: its name, type, default, limits and meaning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from olfactory_transformer.settings import checks

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["auto", "text", "json"]
Device = Literal["auto", "cpu", "cuda"]
SensorFormat = Literal["auto", "csv", "pairs", "json"]


def _setting(default: Any, help_text: str, allowed: str, **limits: Any) -> Any:
    return Field(default, description=help_text, json_schema_extra={"allowed": allowed}, **limits)


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _text(check: Callable[[str], str]) -> AfterValidator:
    """Check the text of a str or a SecretStr, if there is any."""

    def checked(value: str | SecretStr | None) -> str | SecretStr | None:
        if isinstance(value, SecretStr):
            return SecretStr(check(value.get_secret_value()))
        return None if value is None else check(value)

    return AfterValidator(checked)


_Items = BeforeValidator(checks.items)


class Settings(BaseSettings):
    """The settings of one process, read once when it starts; see `load_settings`.

    Each field is the environment variable of the same name in capitals. A value made by hand reads nothing but
    its arguments.

    Examples
    --------
    >>> Settings(port=9000).port
    9000
    >>> Settings(api_keys="not-to-be-shown-to-anyone").api_keys
    SecretStr('**********')
    """

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        validate_default=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be a secret
    )

    olfactory_config: Path | None = _setting(
        None,
        "TOML file with more settings, under their names in lower case. Not set: none.",
        "a TOML file",
    )
    model_path: str = _setting(
        "olfactory-base-v1",
        "The model to serve: a folder written by save_pretrained, or the name of a bundled model.",
        "a folder or the name of a bundled model",
        min_length=1,
    )
    tokenizer_path: str | None = _setting(
        None,
        "Another folder to take tokenizer.json from; it must have the model's vocabulary. "
        "Not set: the model's own folder.",
        "a folder with a tokenizer.json",
        min_length=1,
    )
    models_dir: Path | None = _setting(
        None,
        "Folder whose subfolders are models that an administrator may switch to by name, without a restart.",
        "a folder",
    )
    device: Annotated[Device, BeforeValidator(_lower)] = _setting(
        "auto",
        "Where the network runs. auto: on a GPU if ONNX Runtime can use one, else on the processor.",
        "cpu, cuda or auto",
    )
    host: Annotated[str, _text(checks.host)] = _setting(
        "127.0.0.1",
        "Address the server listens on. The default is reached from this machine only; "
        "0.0.0.0 is every IPv4 interface.",
        "an address or host name of this machine",
        min_length=1,
    )
    port: int = _setting(
        8000,
        "Port the server listens on; 0 takes any free one and logs which.",
        "a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    health_check_port: int | None = _setting(
        None,
        "Another port that answers only /health and /ready, for probes that may not reach the main one. "
        "Not set: none.",
        "a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    metrics_port: int | None = _setting(
        None,
        "Port for /metrics, which then leaves the main one. 9090 is also Prometheus's own. "
        "Not set: on the main port.",
        "a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    batch_size: int = _setting(
        32,
        "Molecules handed to the model at a time. A longer list is worked off in parts, between which other "
        "requests get their turn.",
        "a whole number from 1 to 1024",
        ge=1,
        le=1024,
    )
    batch_delay_ms: float = _setting(
        0,
        "Milliseconds that a batch which is not full waits for more molecules; 0 hands over what is there as "
        "soon as a worker is free.",
        "a number from 0 to 1000",
        ge=0,
        le=1000,
    )
    batch_tokens: int = _setting(
        8192,
        "Atoms in one batch, each molecule counted as the longest of it (padding), estimated from the length of "
        "the SMILES; a single molecule may have more.",
        "a whole number from 64 to 1000000",
        ge=64,
        le=1_000_000,
    )
    max_workers: int | None = _setting(
        None,
        "Processes that run the model; they share one queue, one cache and one rate limit. "
        "Not set: one for each processor that affinity and the cgroup's CPU quota allow.",
        "a whole number from 1 to 256",
        ge=1,
        le=256,
    )
    worker_memory_mb: int | None = _setting(
        None,
        "MiB of memory that one of these processes may take before what it is doing fails and it is replaced. "
        "Not set: no limit.",
        "a whole number from 256 to 1048576",
        ge=256,
        le=2**20,
    )
    inference_timeout: float = _setting(
        30,
        "Seconds in which a request's body must have come (408), and from then on its answer (504).",
        "a number above 0, to 3600",
        gt=0,
        le=3600,
    )
    stall_timeout: float = _setting(
        5,
        "Seconds that one batch may take before its process is taken for hung, killed and replaced; its molecules "
        "are then tried one by one.",
        "a number from 0.1 to 3600",
        ge=0.1,
        le=3600,
    )
    max_queue_items: int = _setting(
        10_000,
        "Molecules that may wait for the model; beyond, requests are refused with 503. A list counts its length.",
        "a whole number from 1 to 10000000",
        ge=1,
        le=10_000_000,
    )
    max_items: int = _setting(
        1000, "Molecules in one request.", "a whole number from 1 to 100000", ge=1, le=100_000
    )
    max_body_bytes: int = _setting(
        2 * 2**20,
        "Bytes of one request's body; a longer one is refused before it is read whole. Of a stream, bytes of a line.",
        "a whole number from 1024 to 1073741824",
        ge=2**10,
        le=2**30,
    )
    shutdown_delay: float = _setting(
        0,
        "Seconds after SIGTERM in which /ready says 503 but new requests are still taken, so that a load balancer "
        "can look away first.",
        "a number from 0 to 3600",
        ge=0,
        le=3600,
    )
    shutdown_timeout: int = _setting(
        20,
        "Seconds that requests in progress have to finish after SIGTERM or Ctrl-C; "
        "what is left then is cut off.",
        "a whole number from 1 to 3600",
        ge=1,
        le=3600,
    )
    cache_dir: Path | None = _setting(
        None, "Folder of the cache on disk. Not set: predictions are kept in memory only.", "a folder"
    )
    cache_size: int = _setting(
        10_000,
        "Predictions kept in memory; 0 keeps none.",
        "a whole number from 0 to 10000000",
        ge=0,
        le=10_000_000,
    )
    cache_size_mb: int = _setting(
        1024, "MiB that the cache on disk may take.", "a whole number from 1 to 1048576", ge=1, le=2**20
    )
    cache_ttl_hours: float = _setting(
        24, "Hours that a cached prediction is used.", "a number above 0, to 87600", gt=0, le=87_600
    )
    redis_url: Annotated[SecretStr | None, _text(checks.redis_url)] = _setting(
        None,
        "Redis that several servers share: cached predictions and rate limits. Not set: none.",
        "redis://HOST, rediss://HOST or unix:///SOCKET, with :PORT, /NUMBER and USER:PASSWORD@ where needed",
    )
    redis_timeout_ms: float = _setting(
        50,
        "Milliseconds that Redis has to answer before a request goes on without it.",
        "a number from 1 to 10000",
        ge=1,
        le=10_000,
    )
    database_url: Annotated[SecretStr, _text(checks.database_url)] = _setting(
        "sqlite:///olfactory.db",
        "Database of API keys and the audit log.",
        "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
    )
    api_key_required: bool = _setting(
        False, "Whether routes under /v1 and /v2 need the header X-API-Key.", "true or false"
    )
    api_keys: Annotated[SecretStr | None, _Items, _text(checks.api_keys)] = _setting(
        None,
        "Keys that are valid besides those of the database, with the scope predict; separated by commas or lines.",
        "keys of at least 20 characters, printable ASCII without spaces",
    )
    rate_limit_per_minute: int = _setting(
        0,
        "Requests a minute that a key, or without one an address, may make; 0 is no limit. A key may have its own.",
        "a whole number from 0 to 1000000",
        ge=0,
        le=1_000_000,
    )
    trusted_proxies: Annotated[str, _Items, _text(checks.networks)] = _setting(
        "",
        "Networks whose X-Forwarded-For is believed, separated by commas; the address in it is then the client's.",
        "addresses or networks such as 10.0.0.0/8, separated by commas",
    )
    cors_origins: Annotated[str, _Items, _text(checks.origins)] = _setting(
        "",
        "Origins whose pages may ask this server from a browser, compared exactly, separated by commas. "
        "Not set: none.",
        "origins such as https://example.com or http://localhost:3000, in lower case, without a path",
    )
    docs_enabled: bool = _setting(True, "Whether /docs and /openapi.json are answered.", "true or false")
    audit_molecules: bool = _setting(
        False,
        "Whether the audit log names the molecules that were asked about.",
        "true or false",
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = _setting(
        "INFO",
        "Least severe messages that are logged. DEBUG adds the messages of unexpected exceptions, "
        "which may name molecules.",
        "DEBUG, INFO, WARNING, ERROR or CRITICAL",
    )
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = _setting(
        "auto",
        "How a record is written. auto: text on a terminal, JSON otherwise.",
        "auto, text or json",
    )
    log_file: Path | None = _setting(
        None,
        "File that records go to as well, as JSON; it is replaced at 10 MiB, five old ones are kept. "
        "Not set: none.",
        "a file",
    )
    otel_exporter_otlp_endpoint: Annotated[str | None, _text(checks.http_url)] = _setting(
        None,
        "OpenTelemetry collector that traces are sent to, by OTLP over HTTP. Not set: no traces.",
        "a URL such as http://localhost:4318, without a name and password",
    )
    sensor_port: Annotated[str | None, _text(checks.sensor_port)] = _setting(
        None,
        "The board that the server reads by itself: a serial port, or another source of frames. Not set: none.",
        "a device such as /dev/ttyUSB0, mqtt://HOST/TOPIC, replay:FILE or simulated, without a password",
        min_length=1,
    )
    sensor_baudrate: int = _setting(
        9600,
        "Bits a second of a serial SENSOR_PORT.",
        "a whole number from 50 to 4000000",
        ge=50,
        le=4_000_000,
    )
    sensor_timeout: float = _setting(
        5,
        "Seconds without a frame after which the board of SENSOR_PORT counts as silent.",
        "a number from 0.1 to 3600",
        ge=0.1,
        le=3600,
    )
    sensor_id: Annotated[str | None, _text(checks.sensor_id)] = _setting(
        None,
        "Name of the board of SENSOR_PORT, by which its calibration is kept. "
        "Not set: its serial number where it has one, else where it is connected.",
        "1 to 100 printable characters, none of them a space, # or ?",
    )
    sensor_password: SecretStr | None = _setting(
        None,
        "Password of the user that an MQTT SENSOR_PORT names. Not set: none.",
        "a password, with a USER in SENSOR_PORT",
    )
    sensor_format: Annotated[SensorFormat, BeforeValidator(_lower)] = _setting(
        "auto",
        "What the lines of the board of SENSOR_PORT are. auto: each line tells.",
        "auto, csv, pairs or json",
    )
    sensor_channels: Annotated[str, _Items, _text(checks.channels)] = _setting(
        "",
        "Names of the columns of a board that sends CSV without a header, separated by commas. Not set: c1, c2...",
        "names of at most 64 characters, each once",
    )
    nose_model_path: str = _setting(
        "smellnet-base-v1",
        "The model that names smells from sensors: a folder, or the name of a bundled model. "
        "Loaded when it is first needed.",
        "a folder or the name of a bundled model",
        min_length=1,
    )
    olfactory_data_dir: Path = _setting(
        Path("../shared/data"), "Folder of the data that training and evaluation read.", "a folder"
    )

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Return SENSOR_CHANNELS apart."""
        return tuple(filter(None, self.sensor_channels.split(",")))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments only; `load_settings` asks the other sources, so that it can say where a value is from."""
        return (init_settings,)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise checks.wrong(str(value).lower())
        return value

    @field_validator("health_check_port", "metrics_port")
    @classmethod
    def _a_port_of_its_own(cls, port: int | None, info: ValidationInfo) -> int | None:
        for name in ("port", "health_check_port"):
            if port and name != info.field_name and info.data.get(name) == port:
                raise checks.wrong(str(port), f"another port than {name.upper()}")
        return port


def allowed(name: str) -> str:
    """Return in words which values the setting takes.

    >>> allowed("port")
    'a whole number from 0 to 65535'
    """
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def is_secret(name: str) -> bool:
    """Return whether the setting's value is never shown.

    >>> is_secret("redis_url"), is_secret("port")
    (True, False)
    """
    return Settings.model_fields[name].annotation in (SecretStr, SecretStr | None)
