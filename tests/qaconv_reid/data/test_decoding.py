"""What images look like, whatever they are stored as; what is no image is one sentence."""

import os
import socket
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from qaconv_reid.data import DataError, ImageDataset, Record, input_batches, open_rgb, to_rgb
from qaconv_reid.data.decoding import SUFFIXES, check_file
from support.images import draw_person

RAMP = np.linspace(0, 65535, 16 * 8).reshape(16, 8).astype(np.uint16)
RAMP_OF_8_BITS = np.round(RAMP / 257).astype(np.uint8)


def save_pgm(path, array, most=65535):
    header = f"P5 {array.shape[1]} {array.shape[0]} {most}\n".encode()
    path.write_bytes(header + array.astype(">u2").tobytes())


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_gray_of_16_bits_is_scaled_by_its_range(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".pgm":
        save_pgm(path, RAMP)
    else:
        Image.fromarray(RAMP).save(path)
    for channel in range(3):
        assert np.array_equal(np.asarray(open_rgb(path))[..., channel], RAMP_OF_8_BITS)
    check_file(path)


def test_fewer_bits_are_scaled_by_what_the_file_says(tmp_path):
    save_pgm(tmp_path / "a.pgm", RAMP // 64, most=1023)
    got = np.asarray(open_rgb(tmp_path / "a.pgm"))[..., 0].astype(int)
    assert abs(got - RAMP_OF_8_BITS).max() <= 1


@pytest.mark.parametrize(
    ("dtype", "said"), [(np.float32, "floating-point pixels"), (np.int32, "pixels of 32 bits")]
)
@pytest.mark.parametrize("decode", [False, True])
def test_numbers_without_a_known_range_are_refused_by_name(tmp_path, dtype, said, decode):
    Image.fromarray(RAMP.astype(dtype)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=rf"a\.tif: cannot be read .*{said}"):
        check_file(tmp_path / "a.tif", decode=decode)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path, suffix, orientation):
    upright = Image.new("RGB", (16, 32), "red")
    upright.paste("blue", (0, 0, 16, 16))
    upright.paste("white", (0, 0, 8, 8))
    stored = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(orientation, [])
    image = upright
    for turn in stored:
        image = image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
    how |= {"lossless": True} if suffix == "webp" else {}
    image.save(tmp_path / f"a.{suffix}", exif=exif, **how)
    got = np.asarray(open_rgb(tmp_path / f"a.{suffix}")).astype(int)
    assert got.shape == (32, 16, 3)
    assert abs(got - np.asarray(upright)).max() <= 4


def test_notes_that_cannot_be_read_turn_nothing(tmp_path):
    draw_person(1).save(tmp_path / "a.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff nonsense")
    assert open_rgb(tmp_path / "a.jpg").size == (32, 64)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    if mode == "P":
        image = Image.new("P", (4, 4), 0)
        image.putpalette([9, 9, 9, 200, 100, 50])
        image.putpixel((0, 0), 1)
        image.save(tmp_path / "a.png", transparency=0)
    else:
        color = {"RGBA": (200, 100, 50, 255), "LA": (120, 255)}[mode]
        image = Image.new(mode, (4, 4), (9,) * (len(mode) - 1) + (0,))
        image.putpixel((0, 0), color)
        image.save(tmp_path / "a.png")
    got = open_rgb(tmp_path / "a.png")
    assert got.getpixel((0, 0)) == ((120,) * 3 if mode == "LA" else (200, 100, 50))
    assert got.getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "RGBA", "YCbCr"])
def test_solid_images_keep_their_colors(tmp_path, mode):
    flat = Image.new("RGB", (8, 8), "white")
    name = "a.tif" if mode in ("CMYK", "YCbCr") else "a.png"
    flat.convert(mode).save(tmp_path / name)
    assert np.asarray(open_rgb(tmp_path / name)).min() >= 254


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.bmp", "a.ppm", "a.tga"])
@pytest.mark.parametrize("left", [0.97, 0.6])
def test_a_file_that_is_cut_off_is_found_without_decoding_all(tmp_path, name, left):
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    check_file(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(DataError, match=rf"{name}: cannot be read as an image"):
        check_file(path)


def test_what_is_no_file_is_named_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "null.jpg").symlink_to("/dev/null")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket.jpg"))
    said = {
        "pipe": "this is a pipe",
        "folder": "this is a folder",
        "null": "this is a device",
        "socket": "this is a socket",
        "circle": "cannot be read as an image",
        "absent": "cannot be read as an image",
    }
    for name, what in said.items():
        for decode in (False, True):
            with pytest.raises(DataError, match=rf"{name}\.jpg: {what}"):
                check_file(tmp_path / f"{name}.jpg", decode=decode)
    unix.close()


@pytest.mark.parametrize("limit", [100, 400])  # Pillow warns of more, and refuses twice as many
def test_more_pixels_than_pillow_takes_are_a_sentence(tmp_path, monkeypatch, limit):
    draw_person(1, height=32, width=16).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    for decode in (False, True):
        with warnings.catch_warnings(record=True), pytest.raises(DataError) as error:
            check_file(tmp_path / "a.png", decode=decode)
        assert "pixels" in str(error.value)
        assert f"{limit}" in str(error.value)
        assert "Pillow's limit" in str(error.value)
        assert "\n" not in str(error.value)


def test_an_archive_is_told_from_a_broken_image(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.jpg", "w") as file:
        file.writestr("b", "c")
    with pytest.raises(DataError, match="this is an archive, wanted an image: unpack it"):
        check_file(tmp_path / "a.jpg")


def test_a_format_that_runs_other_programs_is_not_opened(tmp_path):
    draw_person(1).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="it begins as none that is known"):
        check_file(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".mpo", ".apng", ".j2c", ".jpc", ".avifs"}))
def test_every_ending_is_read(tmp_path, suffix):
    Image.init()
    picture = draw_person(2)
    if suffix == ".pbm":
        picture = picture.convert("1")
    if suffix == ".pgm":
        picture = picture.convert("L")
    try:
        picture.save(tmp_path / f"a{suffix}")
    except (OSError, KeyError, ValueError) as error:
        pytest.skip(f"this Pillow cannot write it: {error}")
    check_file(tmp_path / f"a{suffix}")
    assert open_rgb(tmp_path / f"a{suffix}").size == picture.size


def test_all_ways_in_show_an_image_alike(tmp_path):
    """Training and evaluation, files that are matched, images that are handed over."""
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    wanted = np.asarray(open_rgb(tmp_path / "a.png"))
    item, _ = ImageDataset([Record(tmp_path / "a.png", 0)], 16, 8)[0]
    assert np.array_equal(item.permute(1, 2, 0).numpy(), wanted)
    with Image.open(tmp_path / "a.png") as picture:
        assert np.array_equal(np.asarray(to_rgb(picture)), wanted)
        given = [tmp_path / "a.png", picture]
        ((batch, _),) = input_batches(given, 16, 8, 2)
    for image in batch:
        assert np.array_equal(image.permute(1, 2, 0).numpy(), wanted)
