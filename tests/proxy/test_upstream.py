from pathlib import Path

import pytest

from proxy.upstreams.upstream import InvalidModels, RouteModel, load_models

LOCAL = "{kind: local}"
ONE = f"kind: route, upstreams: [{{upstream: {LOCAL}}}]"


def load(folder: Path, text: str) -> dict:
    (folder / "models.yaml").write_text("models:\n" + text)
    return load_models(folder / "models.yaml")


def test_a_route_lists_upstreams_and_fallbacks(tmp_path: Path) -> None:
    models = load(tmp_path, f"  b: {LOCAL}\n  a: {{kind: route, upstreams: [{{upstream: {LOCAL}}}], fallback: [b]}}\n")
    route = models["a"]
    assert isinstance(route, RouteModel)
    assert (route.upstreams[0].weight, route.fallback) == (1.0, ["b"])


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: {kind: route, upstreams: []}", "models.a.route.upstreams", "at least 1 item"),
        (f"a: {{kind: route, upstreams: [{{weight: 0, upstream: {LOCAL}}}]}}", "upstreams.0.weight", "greater than 0"),
        (f"a: {{{ONE}, fallback: [x]}}", "models.a.fallback.0", "'x' is no model"),
        (f"a: {{{ONE}, fallback: [a]}}", "models.a.fallback.0", "'a' is this model"),
        (f"a: {{kind: route, upstreams: [{{upstream: {LOCAL}, wait: 3}}]}}", "upstreams.0.wait", "not permitted"),
    ],
)  # fmt: skip
def test_every_error_names_file_model_and_field(tmp_path: Path, text: str, place: str, message: str) -> None:
    with pytest.raises(InvalidModels) as caught:
        load(tmp_path, f"  {text}\n")
    for part in ("models.yaml", place, message):
        assert part in str(caught.value)
