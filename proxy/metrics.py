"""Prometheus metrics: names, labels and buckets, and verbs to record them. The one file that knows prometheus_client.

Label values come from configuration alone: a tenant, model or value that is not configured is `other`.
"""

from collections.abc import Collection, Mapping
from math import inf

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, inf)
_INTENSITY = (-9, -7, -5, -3, -1, 1, 3, 5, 7, 9, inf)

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """All metrics of one app, in a registry of their own."""

    def __init__(self, tenants: Collection[str], models: Collection[str], values: Collection[str]) -> None:
        self._known = {"tenant": frozenset(tenants), "model": frozenset(models), "value": frozenset(values)}
        self._registry = r = CollectorRegistry()
        self._requests = Counter(
            "valueflow_requests", "Requests by outcome or error.", ["tenant", "model", "outcome"], registry=r
        )
        self._attempts = Histogram(
            "valueflow_attempts",
            "Generated answers by request.",
            ["tenant"],
            buckets=(1, 2, 3, 4, 5, 10, inf),
            registry=r,
        )
        self._intensity = Histogram(
            "valueflow_intensity", "Measured intensity of returned answers.", ["tenant", "value"], buckets=_INTENSITY,
            registry=r,
        )  # fmt: skip
        self._seconds = Histogram(
            "valueflow_seconds", "Seconds of a request spent in upstream, scoring and the proxy itself.", ["part"],
            buckets=_SECONDS, registry=r,
        )  # fmt: skip
        self._tokens = Counter(
            "valueflow_tokens", "Tokens billed for all attempts, and those of the returned answer.",
            ["tenant", "model", "kind"], registry=r,
        )  # fmt: skip
        self._open = Gauge("valueflow_open_requests", "Requests being served.", registry=r)
        self._below_floor = Counter(
            "valueflow_below_floor", "Returned answers measured below a safety floor.", ["tenant", "value"], registry=r
        )
        self._audit_gap = Histogram(
            "valueflow_audit_gap",
            "Gauge minus audit gauge on a sample of accepted answers, in points, by the number of the attempt.",
            ["attempt"], buckets=(-4, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, inf), registry=r,
        )  # fmt: skip
        self._audit_waiting = Gauge("valueflow_audit_waiting", "Audit records not yet written.", registry=r)

    def opened(self) -> None:
        """A request began."""
        self._open.inc()

    def closed(self) -> None:
        """A request ended, in whatever way."""
        self._open.dec()

    def record_request(self, tenant: str, model: str, outcome: str) -> None:
        """A request's outcome; errors count as outcome `error`."""
        self._requests.labels(self._label("tenant", tenant), self._label("model", model), outcome).inc()

    def record_attempts(self, tenant: str, attempts: int) -> None:
        """How many answers a request took."""
        self._attempts.labels(self._label("tenant", tenant)).observe(attempts)

    def record_intensities(self, tenant: str, intensities: Mapping[str, float]) -> None:
        """The returned answer's intensity by value."""
        for value, intensity in intensities.items():
            self._intensity.labels(self._label("tenant", tenant), self._label("value", value)).observe(intensity)

    def record_seconds(self, upstream: float, scoring: float, proxy: float) -> None:
        """Where a request's time went."""
        for part, seconds in (("upstream", upstream), ("scoring", scoring), ("proxy", proxy)):
            self._seconds.labels(part).observe(max(seconds, 0.0))

    def record_tokens(self, tenant: str, model: str, billed: int, returned: int) -> None:
        """What the upstream billed, and what the returned answer cost of it."""
        labels = (self._label("tenant", tenant), self._label("model", model))
        self._tokens.labels(*labels, "billed").inc(billed)
        self._tokens.labels(*labels, "returned").inc(returned)

    def record_below_floor(self, tenant: str, values: Collection[str]) -> None:
        """Values on which a returned answer lay below its floor."""
        for value in values:
            self._below_floor.labels(self._label("tenant", tenant), self._label("value", value)).inc()

    def record_audit_gap(self, attempt: int, gap: float) -> None:
        """How much higher the gauge measured than the audit gauge did, on an answer accepted at this attempt."""
        self._audit_gap.labels(str(min(attempt, 10))).observe(gap)

    def set_audit_waiting(self, waiting: int) -> None:
        """Audit records in memory."""
        self._audit_waiting.set(waiting)

    def text(self) -> bytes:
        """The exposition that Prometheus scrapes."""
        return generate_latest(self._registry)

    def _label(self, name: str, value: str) -> str:
        return value if value in self._known[name] else "other"
