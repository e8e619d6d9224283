"""`valueflow curves` and `valueflow report` as a user calls them."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from policies.plant import STUDY, Key
from proxy.store.audit import Audit
from proxy.store.curves import Curves
from proxy.store.database import Database, Trail, now
from tests.proxy.test_cli import valueflow


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/t.db"


def test_curves_are_shown_exported_and_reset(url: str) -> None:
    async def fill() -> None:
        database = Database(url)
        await database.open()
        curves = Curves(database)
        for tenant, value in (("acme", "svt/power"), (STUDY, "svt/benevolence")):
            for rung in range(9):
                curves.learn(Key(tenant, "m", value, "fresh", "v1"), rung, rung / 2, 1.0)
        await curves.write()
        await database.close()

    env = {"VALUEFLOW_DATABASE": url}
    asyncio.run(fill())
    shown = valueflow("curves", "--plot", **env).stdout
    assert "svt/power" in shown
    assert "(study)" in shown
    assert "●" in shown
    exported = [json.loads(line) for line in valueflow("curves", "--export", "-", **env).stdout.splitlines()]
    assert [row["value"] for row in exported] == ["svt/benevolence", "svt/power"]
    assert np.allclose(np.array(exported[0]["total"]) / exported[0]["count"], np.arange(9) / 2)
    assert "forgot 1 curves" in valueflow("curves", "--reset", "--yes", "--value", "power", **env).stdout
    left = valueflow("curves", "--export", "-", **env).stdout.splitlines()
    assert [json.loads(line)["value"] for line in left] == ["svt/benevolence"]
    assert valueflow("curves", "--value", "nonsense", **env).returncode == 1


def record(number: int, treated: bool, posterior: float) -> str:
    value = {"intensity": posterior + 1, "posterior": posterior, "p": 0.9 if treated else 0.2, "range": [2, None]}
    fields = {"outcome": "in_range" if treated else "monitored", "attempts": [{}], "tokens": {"billed": 100}}
    arm = {"conversation": f"c{number % 40}", "treated": treated}
    if number % 5 == 0:  # the second gauge sees half of the effect
        seen = {"intensity": posterior / 2, "sd": 0.5, "low": 0.0, "high": 0.0, "relevance": 1.0}
        fields |= {"second": {"evaluator": "judge", "values": {"svt/power": seen}}}
    return json.dumps(fields | {"values": {"svt/power": value, "mft/care": {"unscored": "empty"}}} | arm)


def test_a_rollout_is_reported_by_intention_to_treat(url: str) -> None:
    async def fill() -> None:
        database = Database(url)
        await database.open()
        audit = Audit(database)
        audit.start()
        for number in range(80):
            treated = number % 2 == 0
            text = record(number, treated, 3.0 * treated + number % 3)
            await audit.add(Trail(trace=f"{number:032d}", at=now(), tenant="acme", outcome="x", record=text))
        arm = {"conversation": "c0", "treated": True}
        text = json.dumps({"outcome": "cancelled", "asked": 2, "tokens": {"billed": 100, "returned": 0}} | arm)
        await audit.add(Trail(trace="c" * 32, at=now(), tenant="acme", outcome="cancelled", record=text))
        await audit.stop(10)
        await database.close()

    asyncio.run(fill())
    env = {"VALUEFLOW_DATABASE": url}
    found = json.loads(valueflow("report", "acme", "--json", **env).stdout)
    assert found["arms"]["treated"]["conversations"] == found["arms"]["control"]["conversations"] == 20
    assert found["arms"]["treated"]["outcomes"] == {"in_range": 40, "cancelled": 1}
    effects = {row["measure"]: row for row in found["effects"]}
    assert set(effects) == {"posterior", "raw", "in range", "second", "second in range", "raw, where second"}
    assert effects["posterior"]["low"] < 3.0 < effects["posterior"]["high"]
    assert effects["in range"]["difference"] == 1.0
    second = effects["second"]
    assert second["answers"] == effects["raw, where second"]["answers"] == [8, 8]
    assert second["low"] < 1.5 < second["high"] < 3
    assert second["difference"] == effects["raw, where second"]["difference"] / 2
    assert effects["second in range"]["treated"] == 5 / 8
    assert "intention to treat" in valueflow("report", "acme", **env).stdout
    nobody = valueflow("report", "nobody", **env)
    assert nobody.returncode == 1
    assert "nothing of tenant" in nobody.stderr
