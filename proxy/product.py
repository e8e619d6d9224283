"""The assembled product: everything that outlives a request, built once from the settings.

Knows what there is and in which order it starts and ends; nothing of how a request is served.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from anchors.exemplars import exemplars
from anchors.queue import ScoringQueue
from anchors.values import catalogue
from policies.floor import reaching_below
from policies.lint import advice
from policies.load import load_folder
from policies.plant import Plant
from policies.policy import Policy
from proxy.metrics import Metrics
from proxy.second import Scoring, SecondOpinion
from proxy.settings import DEMO_KEY, DEMO_TENANT, Settings
from proxy.store.audit import Audit
from proxy.store.curves import Curves
from proxy.store.database import Database
from proxy.store.keys import Keys, digest
from proxy.store.retention import Retention
from proxy.store.salt import salt
from proxy.upstreams.ask import ask
from proxy.upstreams.breaker import Breaker
from proxy.upstreams.compatible import Compatible, pooled_client
from proxy.upstreams.route import Member, Route
from proxy.upstreams.translate import Translating
from proxy.upstreams.upstream import (
    CompatibleModel,
    Entry,
    InvalidModels,
    Limits,
    LiteLLMModel,
    LocalModel,
    ModelConfig,
    RouteModel,
    Share,
    Upstream,
    load_models,
)

if TYPE_CHECKING:
    from anchors.evaluator import Evaluator
    from anchors.gate import Gate
    from anchors.judge import JudgeGauge

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Product:
    """What requests need. `ready` turns true when encoder, anchors, policies and models are loaded."""

    settings: Settings
    policies: Mapping[str, Policy]
    routes: Mapping[str, Route]
    keys: Keys
    audit: Audit
    curves: Curves
    scoring: Scoring
    gate: "Gate | None"
    """What says whether a conversation speaks to values; without one the gauge's relevance does."""
    metrics: Metrics
    values: Sequence[str]
    """What is measured on every answer beside the policy's targets."""
    owners: Mapping[str, str]
    """The tenant whose own account answers a model, by the model's name; other models have none."""
    seal_secret: bytes
    salt: bytes
    """The installation's, by which conversations fall into arms."""
    second: SecondOpinion | None = None
    """Another gauge that looks at a sample of accepted answers, where one is loaded."""
    ready: bool = False
    open_requests: int = field(default=0)

    def enter(self) -> None:
        """A request begins."""
        self.open_requests += 1
        self.metrics.opened()

    def leave(self) -> None:
        """A request ended, in whatever way."""
        self.open_requests -= 1
        self.metrics.closed()


def checked_policies(settings: Settings, folder: Path | None = None) -> Mapping[str, Policy]:
    """The tenants' policies in the settings' folder or another.

    Raises InvalidPolicies, also for ranges below a safety floor that the operator does not allow.
    """

    def floors(policy: Policy) -> Mapping[str, str]:
        refused = {}
        for name in reaching_below(policy, settings.floor):
            reason = settings.floor_exceptions.get(f"{policy.tenant}/{name}", "").strip()
            if reason:
                _log.warning("%s reaches below the floor on %s: %s", policy.name, name, reason)
            else:
                refused[name] = (
                    f"reaches below the safety floor of {settings.floor:+g}: give a min of {settings.floor:+g}"
                    f' or more, or allow it with VALUEFLOW_FLOOR_EXCEPTIONS={{"{policy.tenant}/{name}": "the reason"}}'
                )
        return refused

    return load_folder(folder or settings.policies, floors)


@asynccontextmanager
async def assemble(settings: Settings) -> AsyncIterator[Product]:
    """Load everything, hand it out, and end it in the reverse order. Raises what any part raises on loading."""
    from anchors.evaluator import default_evaluator

    policies = checked_policies(settings)
    models = load_models(settings.models)
    check_judges(settings, models)
    database = Database(settings.database)
    client = pooled_client(settings.upstream_connections)
    try:
        await database.open()
        demo = {digest(DEMO_KEY): DEMO_TENANT} if settings.demo and DEMO_TENANT in policies else {}
        keys = Keys(database, settings.key_seconds, demo)
        await keys.forget(DEMO_KEY)  # earlier versions stored it
        evaluator = await asyncio.to_thread(
            default_evaluator,
            settings.encoder,
            settings.device or None,
            settings.scoring_batch,
            settings.threads,
            settings.gauge_folder,
            settings.precision,
        )
        await asyncio.to_thread(exemplars)  # or the first request that shows some would wait for the file
        routes = await make_routes(models, client, settings)
        queue = ScoringQueue(evaluator, settings.scoring_waiting, settings.scoring_batch)

        judging, second = (
            judge_of(model, routes[model], evaluator, settings) if model else None
            for model in (settings.gauge_model, settings.second_model)
        )
        scoring, metrics = judging or queue, Metrics(policies, routes, catalogue())
        audit, curves, retention = Audit(database), Curves(database), Retention(database, settings.audit_days)
        await curves.load(scoring.version)
        queue.start()
        audit.start()
        retention.start()
        curves.start()
        product = Product(
            settings,
            policies,
            routes,
            keys,
            audit,
            curves,
            scoring,
            evaluator.gate,
            metrics,
            () if judging else evaluator.values,  # a model is asked once a value
            second=SecondOpinion(second, metrics) if second else None,
            owners={n: c.owner for n, c in models.items() if isinstance(c, CompatibleModel) and c.owner},
            salt=await salt(database),
            seal_secret=settings.seal_secret.get_secret_value().encode() or secrets.token_bytes(32),
        )
        for policy in policies.values():
            plants = [Plant(curves, policy.tenant, model, scoring.version) for model in routes]
            for text in advice(policy, (judging or evaluator).typical_sd, plants):
                _log.warning("%s: %s", policy.name, text)
        product.ready = True
        try:
            yield product
        finally:
            product.ready = False
            await queue.stop()
            if product.second is not None:
                await product.second.stop()
            await retention.stop()
            await audit.stop(settings.shutdown_seconds)
            await curves.stop(settings.shutdown_seconds)
            for route in routes.values():
                for member in route.members:
                    await member.upstream.close()
    finally:
        await client.aclose()
        await database.close()


def check_judges(settings: Settings, models: Mapping[str, Entry]) -> None:
    """Raises InvalidModels where a model that is to measure is not in the file."""
    for setting, model in (("GAUGE_MODEL", settings.gauge_model), ("SECOND_MODEL", settings.second_model)):
        if model and model not in models:
            raise InvalidModels(f"VALUEFLOW_{setting}: model '{model}' is not in {settings.models}")


def judge_of(model: str, route: Route, evaluator: "Evaluator", settings: Settings) -> "JudgeGauge":
    """This model as a gauge on the local one's anchors."""
    from anchors.judge import JudgeGauge

    complete = ask(route, settings.upstream_repeats)
    return JudgeGauge(complete, model, evaluator.gauge, evaluator.encoder, catalogue())


async def make_routes(
    models: Mapping[str, Entry], client: httpx.AsyncClient, settings: Settings, only: str | None = None
) -> dict[str, Route]:
    """A route for each name, or `only` one's; a fallback shares the other model's upstreams and their breakers."""
    limits = Limits(settings.upstream_connect_seconds, settings.upstream_read_seconds, settings.upstream_bytes)
    fallbacks = {name: entry.fallback if isinstance(entry, RouteModel) else [] for name, entry in models.items()}
    needed = models if only is None else {only, *fallbacks[only]}

    async def member(share: Share) -> Member:
        breaker = Breaker(settings.breaker_failures, settings.breaker_seconds)
        return Member(Translating(await make_upstream(share.upstream, client, limits)), breaker, share.weight)

    members: dict[str, list[Member]] = {}
    for name, entry in models.items():
        if name in needed:
            shares = entry.upstreams if isinstance(entry, RouteModel) else [Share(upstream=entry)]
            members[name] = [await member(share) for share in shares]
    return {
        name: Route(members[name], settings.upstream_seconds, [members[other] for other in fallbacks[name]])
        for name in ([only] if only is not None else models)
    }


async def make_upstream(config: ModelConfig, client: httpx.AsyncClient, limits: Limits) -> Upstream:
    """Kinds that need a heavy library import it here, when the operator has configured one."""
    match config:
        case LocalModel():
            from proxy.upstreams.local import Local

            return await asyncio.to_thread(Local, config)
        case CompatibleModel():
            return Compatible(config, client, limits)
        case LiteLLMModel():
            from proxy.upstreams.litellm import LiteLLM

            return await asyncio.to_thread(LiteLLM, config, limits)
