from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from qaconv_reid.evaluation import FEATURE_FORMATS, FeatureSet, read_features, write_features

PATHS = [Path("a/é 1.png"), Path("a/2.png"), Path("b.png")]
PERSONS, CAMERAS, TIMES = (5, -1, 2**40), (0, None, 3), (None, 1.25, 1e9 + 1 / 3)


def features(dtype=torch.float32):
    maps = torch.randn(3, 2, 4, 1, generator=torch.Generator().manual_seed(0)).to(dtype)
    return FeatureSet(maps, PERSONS, CAMERAS, TIMES)


@pytest.mark.parametrize("suffix", FEATURE_FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_is_written_is_read(tmp_path, suffix, dtype):
    file = tmp_path / f"query{suffix}"
    write_features(file, features(dtype), PATHS)
    found, paths = read_features(file)
    assert found.maps.dtype == dtype
    assert torch.equal(found.maps, features(dtype).maps)
    assert (found.persons, found.cameras, found.times) == (PERSONS, CAMERAS, TIMES)
    assert paths == PATHS
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_others_read_them_by_their_names(tmp_path):
    write_features(tmp_path / "a.safetensors", features(), PATHS)
    write_features(tmp_path / "a.npz", features(), PATHS)
    names = {"maps", "persons", "cameras", "known", "times"}
    assert load_file(tmp_path / "a.safetensors").keys() == names
    with np.load(tmp_path / "a.npz") as arrays:
        assert set(arrays.files) == names | {"paths"}
        assert arrays["paths"].tolist() == [str(path) for path in PATHS]


def test_what_cannot_be_written_or_read_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"path: got a\.pt, wanted one of \.safetensors, \.npz"):
        write_features(tmp_path / "a.pt", features(), PATHS)
    with pytest.raises(ValueError, match="paths: got 2, wanted one for each of 3 images"):
        write_features(tmp_path / "a.npz", features(), PATHS[1:])
    np.savez(tmp_path / "other.npz", maps=np.zeros(3))
    (tmp_path / "other.safetensors").write_bytes(b"nothing of the kind")
    for name in ("other.npz", "other.safetensors"):
        with pytest.raises(ValueError, match=f"{name}: got a file without features"):
            read_features(tmp_path / name)
