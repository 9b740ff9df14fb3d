"""Files are read without running any of them, and what is refused is refused in one sentence."""

import pickle

import numpy as np
import pytest
import torch

from qaconv_reid.models.layouts import read_weights
from qaconv_reid.models.weight_file import read_weight_file


class Hostile:
    def __reduce__(self):
        return print, ("a weight file ran code",)


def test_a_file_that_would_run_code_is_refused(tmp_path, capsys):
    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(ValueError, match="wanted a file of nothing but tensors"):
        read_weights(tmp_path / "hostile.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["garbage.pth", "garbage.safetensors", "empty.pth"])
def test_a_damaged_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"" if "empty" in name else b"no weights are here")
    with pytest.raises(ValueError, match="wanted a file of nothing but tensors"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.zeros(1)], {}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"wanted a (tensor|file with a state_dict)"):
        read_weights(tmp_path / "other.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_both_formats_of_torch_save_are_read(tmp_path, zipped):
    saved = {"model": {"a": torch.arange(3)}, "epoch": 7, "base_loss": 0.5, "lr_stepped": False}
    torch.save(saved, tmp_path / "c.pth.tar", _use_new_zipfile_serialization=zipped)
    read = read_weight_file(tmp_path / "c.pth.tar")
    assert torch.equal(read.pop("model")["a"], torch.arange(3))
    assert read == {"epoch": 7, "base_loss": 0.5, "lr_stepped": False}


@pytest.mark.parametrize(
    "number",
    [np.float64(0.75), np.float32(0.75), np.int64(-3), np.uint8(200), np.bool_(True)],
)
def test_numpys_numbers_are_read(tmp_path, number):
    torch.save({"rank1": number}, tmp_path / "c.pth")
    read = read_weight_file(tmp_path / "c.pth")["rank1"]
    assert read == number
    assert type(read) in (float, int, bool)


def test_a_number_under_the_name_that_numpy_1_gave_it(tmp_path):
    path = tmp_path / "c.pth"
    torch.save({"loss": np.float32(2.5)}, path, _use_new_zipfile_serialization=False)
    now, former = b"numpy._core.multiarray", b"numpy.core.multiarray"
    assert now in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(now, former))
    assert read_weight_file(path) == {"loss": 2.5}


class Swapped:
    """A scalar of the other byte order, as another machine would write it."""

    def __reduce__(self):
        from numpy._core.multiarray import scalar

        return scalar, (np.dtype(">f4"), np.array(2.5, ">f4").tobytes())


def test_a_number_of_the_other_byte_order(tmp_path):
    torch.save({"loss": Swapped()}, tmp_path / "c.pth")
    assert read_weight_file(tmp_path / "c.pth") == {"loss": 2.5}


@pytest.mark.parametrize("kind", ["O", "S3", "V4", "M8[s]"])
def test_other_types_of_numpy_are_refused(tmp_path, kind):
    torch.save({"rank1": np.dtype(kind)}, tmp_path / "c.pth")
    with pytest.raises(ValueError, match="wanted a file of nothing but tensors") as caught:
        read_weight_file(tmp_path / "c.pth")
    assert "\n" not in str(caught.value)


def test_an_array_of_objects_is_refused(tmp_path):
    torch.save({"names": np.array(["a", Hostile()], dtype=object)}, tmp_path / "c.pth")
    with pytest.raises(ValueError, match="wanted a file of nothing but tensors"):
        read_weight_file(tmp_path / "c.pth")


def test_the_sentence_names_what_is_refused(tmp_path):
    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(ValueError, match=r"\(.*print\)$") as caught:
        read_weight_file(tmp_path / "hostile.pth")
    assert "\n" not in str(caught.value)


def test_numpys_numbers_are_allowed_only_while_a_file_is_read(tmp_path):
    torch.save({"rank1": np.float64(0.75)}, tmp_path / "c.pth")
    read_weight_file(tmp_path / "c.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "c.pth", weights_only=True)
