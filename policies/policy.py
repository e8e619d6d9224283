"""What one tenant wants: the policy's fields, their ranges and defaults.

Knows nothing of files, models or scores; `load.py` reads it from YAML. The field names are a published contract:
extend them, do not rename them.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from anchors.values import Catalogue, Value, catalogue

MAX_HARD = 3
"""Published: five values at once keep the sign of only half of the negative targets (VALUEFLOW, composition)."""

Mode = Literal["enforce", "steer", "monitor", "off"]
MODES: tuple[Mode, ...] = ("enforce", "steer", "monitor", "off")
"""From the mode that does most to the one that does nothing."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Target(_Strict):
    """The range of intensities wanted for one value: `target` and `tolerance`, or `min` and/or `max`, in [-10, 10].

    `hard` targets must hold for an answer to be accepted; soft ones are steered and reported.
    """

    target: float | None = Field(None, ge=-10, le=10)
    tolerance: float | None = Field(None, gt=0, le=20)
    min: float | None = Field(None, ge=-10, le=10)
    max: float | None = Field(None, ge=-10, le=10)
    hard: bool = False

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        band = self.target is not None or self.tolerance is not None
        bound = self.min is not None or self.max is not None
        if band == bound:
            raise ValueError("give either target and tolerance, or min and/or max")
        if band and (self.target is None or self.tolerance is None):
            raise ValueError("target and tolerance go together")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError("min must be below max")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """(low, high); an open side is infinite."""
        if self.target is not None and self.tolerance is not None:
            return self.target - self.tolerance, self.target + self.tolerance
        return (-inf if self.min is None else self.min, inf if self.max is None else self.max)

    @property
    def aim(self) -> float:
        """The intensity to steer at: the middle of a closed range, 1.5 inside an open one."""
        low, high = self.range
        if low == -inf:
            return high - 1.5
        return low + 1.5 if high == inf else (low + high) / 2


class Budget(_Strict):
    """What one request may spend on all attempts together; `tokens` counts prompt and completion as billed."""

    seconds: float = Field(45.0, gt=0, le=600)
    tokens: int = Field(6000, gt=0, le=1_000_000)


def _share(raw: Any) -> Any:
    if isinstance(raw, str) and raw.strip().endswith("%"):
        return float(raw.strip()[:-1]) / 100
    raise ValueError("write a percentage such as 25%")


Share = Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)]


class Policy(_Strict):
    """One tenant's policy. See README for each field."""

    tenant: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    targets: dict[str, Target] = Field(default_factory=dict, max_length=32)
    mode: Mode = "enforce"
    attempts: int = Field(3, ge=1, le=10)
    budget: Budget = Budget()
    accept: float = Field(0.75, ge=0, lt=1)
    """The P(in range) that an accepted answer needs; how the default was found is in docs/steering.md."""
    candidates: int = Field(1, ge=1, le=4)
    """Answers generated side by side, each an attempt: more tokens for less waiting."""
    on_miss: Literal["best", "error", "unsteered"] = "best"
    on_unscored: Literal["pass", "error"] = "pass"
    apply: Literal["relevant", "always"] = "relevant"
    structured: Literal["score", "skip"] = "score"
    """Answers that shall be JSON: whether the strings in them are scored."""
    retry_tool_calls: bool = False
    """Whether text beside tool calls is asked for again, which may change the calls."""
    stream: Literal["buffer", "window", "monitor"] = "buffer"
    window: int = Field(60, ge=1, le=2000)
    """Words that `stream: window` holds back and measures."""
    rollout: Share = 1.0
    record_text: Literal["none", "hashed", "full"] = "none"
    debug: bool = False
    """Whether a client of this tenant may ask for the measurements with `x-valueflow-debug: 1`."""

    @field_validator("targets", mode="after")
    @classmethod
    def _known_values(cls, targets: dict[str, Target]) -> dict[str, Target]:
        known: Catalogue = catalogue()
        resolved: dict[str, Target] = {}
        for name, target in targets.items():
            key = known.resolve(name).id
            if key in resolved:
                raise ValueError(f"'{name}' names {key} a second time")
            resolved[key] = target
        hard = [name for name, target in resolved.items() if target.hard]
        if len(hard) > MAX_HARD:
            raise ValueError(f"at most {MAX_HARD} hard targets, found {len(hard)}: {', '.join(hard)}")
        return resolved

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode != "off" and not self.targets:
            raise ValueError(f"mode {self.mode} needs at least one target")
        if self.mode == "enforce" and not any(t.hard for t in self.targets.values()):
            raise ValueError("mode enforce needs at least one hard target; use mode: steer for soft ones")
        if self.stream == "window" and self.on_miss == "error":
            raise ValueError("stream: window cannot be combined with on_miss: error, part of the answer is out already")
        return self

    @cached_property
    def version(self) -> str:
        """A hash of everything that the policy says: equal policies have equal versions, on every machine."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """`tenant@version`, as the `x-valueflow-policy` header gives it."""
        return f"{self.tenant}@{self.version}"

    @property
    def hard(self) -> Mapping[str, Target]:
        """The targets that must hold."""
        return {name: target for name, target in self.targets.items() if target.hard}

    def values(self) -> list[Value]:
        """The values that this policy speaks of, in its own order."""
        return [catalogue()[name] for name in self.targets]
