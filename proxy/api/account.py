"""What a request leaves behind when it ends, once: what it taught of the model, metrics, a log line, an audit record.

Knows the steps that a request took and how it ended; nothing of what the client was sent. Texts go into the audit only
as far as the policy says, and never into the log.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from policies.plan import learn
from proxy import render, rollout
from proxy.api.steps import Generation
from proxy.outcome import Outcome, R
from proxy.store.database import Trail, now

_log = logging.getLogger(__name__)


class Account:
    """One request's books, from now on; `close` or `break_off`, whichever comes first, ends them."""

    def __init__(self, steps: Generation, trace: str) -> None:
        self.steps = steps
        self.trace = trace
        self._begun = time.monotonic()
        self.closed = False

    def headers(self, outcome: str, attempts: int) -> dict[str, str]:
        """The contract's headers for this request."""
        evaluator = self.steps.product.scoring.version
        return render.headers(outcome, attempts, self.steps.policy, evaluator, self.trace)

    async def close(self, outcome: Outcome[R]) -> dict[str, Any]:
        """Write down an outcome; returns its report, the `valueflow` object."""
        steps, policy, product = self.steps, self.steps.policy, self.steps.product
        report = render.report(outcome, policy, product.scoring.version, product.settings.floor)
        if self.closed:
            return report
        self.closed = True
        learn(policy, [a.past for a in outcome.attempts], steps.plant)
        metrics, model, returned = product.metrics, steps.asked.model, outcome.returned.completion
        seconds = time.monotonic() - self._begun
        metrics.record_request(policy.tenant, model, outcome.name)
        metrics.record_attempts(policy.tenant, len(outcome.attempts))
        metrics.record_intensities(policy.tenant, render.intensities(outcome, policy))
        metrics.record_below_floor(policy.tenant, render.below(outcome, product.settings.floor))
        # candidates wait side by side, so that the waits can add up to more than the whole
        own = max(seconds - steps.upstream_seconds - steps.scoring_seconds, 0.0)
        metrics.record_seconds(steps.upstream_seconds, steps.scoring_seconds, own)
        metrics.record_tokens(policy.tenant, model, steps.billed, returned.returned)
        _log.info("%s %s %s attempts=%d trace=%s", policy.name, model, outcome.name, len(outcome.attempts), self.trace)
        record = dict(report)
        if policy.record_text != "none":
            texts = {"question": steps.asked.question, "answers": list(returned.texts)}
            hashed = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
            record["texts"] = texts if policy.record_text == "full" else hashed
        await self._audit(outcome.name, record)
        if product.second is not None:

            async def keep(second: Mapping[str, Any]) -> None:
                await self._audit(outcome.name, record | {"second": second})

            product.second.consider(outcome, policy, steps.asked.question, keep)
        return report

    async def break_off(self, name: str) -> None:
        """Write down an error or a client that left; once an upstream was asked the audit shows what it cost, too."""
        if self.closed:
            return
        self.closed = True
        steps, policy = self.steps, self.steps.policy
        steps.product.metrics.record_request(policy.tenant, steps.asked.model, name)
        if steps.begun:
            steps.product.metrics.record_tokens(policy.tenant, steps.asked.model, steps.billed, 0)
            evaluator = steps.product.scoring.version
            await self._audit(name, render.broken_off(name, policy, evaluator, steps.begun, steps.billed))

    async def _audit(self, outcome: str, record: Mapping[str, Any]) -> None:
        steps, policy, asked = self.steps, self.steps.policy, self.steps.asked
        if policy.mode == "off":
            return
        salted = policy, asked, steps.product.salt
        arm = {"conversation": rollout.key(*salted), "treated": rollout.treated(*salted)}
        about = {"model": asked.model, "endpoint": steps.wire.path}
        text = json.dumps({**record, **about, **arm}, ensure_ascii=False)
        await steps.product.audit.add(
            Trail(trace=self.trace, at=now(), tenant=policy.tenant, outcome=outcome, record=text)
        )
