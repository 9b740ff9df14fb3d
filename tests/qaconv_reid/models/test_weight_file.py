"""Files are read without running any of them, and what is refused is refused in one sentence."""

import pickle
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello, these are no weights\n", "it is a text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4\nsize 9\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b'\n  {"error": "not found"}', "it is JSON"),
        (b"", "it is empty"),
        (b"\0" * 3000, "it is none that torch.save wrote"),
        (b"PK\x03\x04" + b"\1" * 3000, "it is none that torch.save wrote"),
        (bytes(range(7, 256)) * 9, r"\("),
    ],
)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "w.bin"])
def test_what_is_found_in_the_place_of_weights_is_called_by_its_name(tmp_path, content, said, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"weights: got .*, wanted a file of nothing but") as error:
        read_weight_file(tmp_path / name)
    assert re.search(said, str(error.value))
    assert "weights_only" not in str(error.value)
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)
    assert error.value.__suppress_context__


def test_the_content_says_which_format_it_is(tmp_path):
    tensors = {"a": torch.arange(3)}
    save_file(tensors, tmp_path / "w.pth")
    torch.save(tensors, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        assert torch.equal(read_weight_file(tmp_path / name)["a"], tensors["a"])


def test_a_whole_module_is_refused_in_a_sentence(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(ValueError, match="wanted a file of nothing but tensors") as caught:
        read_weight_file(tmp_path / "w.pth")
    assert "Linear" in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
