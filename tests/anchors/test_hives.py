"""HiVES: batches that no loss can mix up, a map that learns a tree, and its figures worked out by hand."""

import numpy as np
import pytest

from anchors.concepts import CONCEPTS, Concept, read_concepts
from anchors.train.hives import Labelled, Plan, concept_of, mapped, paths, structure, train
from anchors.values import catalogue

VALUES = ("svt/benevolence", "svt/universalism", "svt/power", "mft/care", "mft/authority")
CARE = Concept("care", "care", ("svt/benevolence", "mft/care"))
RANK = Concept("rank", "rank", ("svt/power", "mft/authority"))


def made(n: int = 400, seed: int = 0) -> Labelled:
    """Rows whose first coordinates hold value and direction under three times as much noise."""
    rng = np.random.default_rng(seed)
    value, direction = rng.integers(0, len(VALUES), n), rng.choice([-1, 1], n)
    signal = np.zeros((n, 16), dtype=np.float32)
    signal[np.arange(n), value] = 1.0
    signal[np.arange(n), 5 + value] = direction
    noise = 3.0 * rng.normal(size=(n, 16)).astype(np.float32) * (np.arange(16) >= 10)
    found = np.concatenate([signal + noise, signal], axis=1)
    return Labelled(found.astype(np.float32), np.arange(n), value, direction, VALUES)


def test_the_shipped_concepts_join_theories_and_every_value_is_in_one() -> None:
    concepts = read_concepts(CONCEPTS, catalogue())
    assert len(concepts) >= 60
    assert {v for c in concepts for v in c.values} == set(catalogue())
    assert len({c.definition for c in concepts}) == len(concepts)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("care: {values: [svt/power, mft/care]}", "concept 'care': definition"),
        ("care: {definition: x, values: [svt/power, mft/none]}", "concept 'care': values: expected"),
        ("care: {definition: x, values: [svt/power, svt/face]}", "fewer than two theories"),
        ("- care", "expected a mapping"),
    ],
)
def test_a_broken_concept_is_named(tmp_path, card: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(card)
    with pytest.raises(ValueError, match=message):
        read_concepts(tmp_path / "c.yaml", catalogue())


def test_paths_go_from_theory_over_group_to_value() -> None:
    path = paths(VALUES, catalogue())
    assert path.shape == (5, 3)
    assert list(path[0, :2]) == list(path[1, :2])  # both are self-transcendence
    assert path[0, 0] == path[2, 0] != path[3, 0]
    assert len(set(path[:, 2].tolist())) == 5


def test_a_row_belongs_to_the_nearest_concept_that_contains_its_value() -> None:
    rows = made(50)
    definitions = np.eye(2, 16, dtype=np.float32)
    found = concept_of(rows, [CARE, RANK], definitions)
    assert set(found[rows.value == 0]) == {0}
    assert set(found[rows.value == 4]) == {1}
    assert set(found[rows.value == 1]) == {-1}


def test_training_makes_the_tree_show_on_rows_that_it_never_saw() -> None:
    rows, fresh, path = made(), made(300, seed=1), paths(VALUES, catalogue())
    concept = concept_of(rows, [CARE, RANK], np.eye(2, 16, dtype=np.float32))
    plan = Plan(first=150, second=50, rate=1e-2)
    before = structure(mapped(fresh.features, np.eye(32, 16, dtype=np.float32)), fresh, path)
    matrix = train(rows, path, concept, plan)
    after = structure(mapped(fresh.features, matrix), fresh, path)
    assert matrix.shape == (32, 16)
    assert after.ranking > before.ranking + 0.1
    assert after.correlation > before.correlation + 0.1
    assert matrix == pytest.approx(train(rows, path, concept, plan))


def test_the_figures_of_perfect_and_of_reversed_vectors() -> None:
    path = paths(VALUES, catalogue())
    value, direction = np.repeat(np.arange(5), 4), np.tile([1, 1, -1, -1], 5)
    rows = Labelled(np.zeros((20, 2), np.float32), np.arange(20), value, direction, VALUES)
    tree = np.column_stack([np.eye(3)[path[value, level] % 3] for level in (0,)])
    leaf = np.column_stack(
        [3 * tree, 2 * np.eye(10)[path[value, 1]], np.eye(5)[value], 0.3 * direction[:, None] * np.eye(5)[value]]
    )
    vectors = leaf / np.linalg.norm(leaf, axis=1, keepdims=True)
    found = structure(vectors, rows, path)
    assert found.ranking == 1
    assert found.correlation > 0.9
    assert found.orthogonality["svt"] == pytest.approx(1)
    random = np.random.default_rng(0).normal(size=(20, 64))
    chance = structure(random / np.linalg.norm(random, axis=1, keepdims=True), rows, path)
    assert 0.35 < chance.ranking < 0.65
