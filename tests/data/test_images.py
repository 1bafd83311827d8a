"""Single images: every mode to RGB, whole or not, and the evaluation transform."""

import struct

import numpy as np
import pytest
from PIL import Image

from src.common.errors import InputError
from src.data import augment, create_dataset, images, load_rgb, transform_of

COLOUR = (200, 100, 50)


def photograph(height=40, width=60):
    """Smooth noise, as natural images are."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def check_colour(path, expected):
    """Pixels by Pillow, and by the pipeline's decoder, must be `expected`."""
    assert (load_rgb(path) == np.array(expected)).all()
    assert (augment.decode(images.encoded(path)) == np.array(expected)).all()


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGB", COLOUR, COLOUR),
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("LA", (77, 10), (77, 77, 77)),
        ("RGBA", (*COLOUR, 10), COLOUR),
        ("I;16", 0x4D12, (0x4D, 0x4D, 0x4D)),  # the high byte
        ("I;16", 0xFFFF, (255, 255, 255)),
    ],
)
def test_png_of_any_mode_becomes_rgb(tmp_path, mode, colour, expected):
    Image.new(mode, (5, 4), colour).save(tmp_path / "a.png")
    check_colour(tmp_path / "a.png", expected)
    assert load_rgb(tmp_path / "a.png").shape == (4, 5, 3)


def tiff(bits, photometric, content, sample_format=1):
    """A little-endian TIFF of one row of grey samples. content: the row's bytes."""
    width = len(content) * 8 // bits
    tags = {
        256: width,
        257: 1,
        258: bits,
        259: 1,
        262: photometric,
        273: 8,
        277: 1,
        278: 1,
        279: len(content),
    }
    tags[339] = sample_format
    content += bytes(len(content) % 2)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    head = struct.pack("<2sHI", b"II", 42, 8 + len(content))
    return head + content + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("16.tif", tiff(16, 1, struct.pack("<3H", 0, 0x4D12, 0xFFFF)), (0, 0x4D, 255)),
        ("16i.tif", tiff(16, 0, struct.pack("<3H", 0, 0x4D12, 0xFFFF)), (255, 255 - 0x4D, 0)),
        ("12.tif", tiff(12, 1, bytes([0x4D, 0x1F, 0xFF])), (0x4D, 255)),
        ("16.pgm", b"P5 3 1 65535\n" + bytes([0, 0, 0x4D, 0x12, 0xFF, 0xFF]), (0, 0x4D, 255)),
        ("10.pgm", b"P5 2 1 1023\n" + bytes([0, 0, 3, 255]), (0, 255)),
    ],
)
def test_grey_of_more_than_8_bits_keeps_its_meaning(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert load_rgb(tmp_path / name).tolist() == [[[value] * 3 for value in expected]]
    assert images.look(tmp_path / name)[0] is None


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("float.tif", tiff(32, 1, struct.pack("<2f", 0.5, 1.0), 3), "floats"),
        ("float.pfm", b"Pf\n2 1\n-1.0\n" + struct.pack("<2f", 0.5, 1.0), "floats"),
        ("32.tif", tiff(32, 1, struct.pack("<2i", 128, 255), 2), "integers of 32 bits"),
        ("unsigned.tif", tiff(32, 1, struct.pack("<2I", 128, 255)), "integers of 32 bits"),
        ("signed.tif", tiff(16, 1, struct.pack("<2h", -5, 5), 2), "integers of 16 bits"),
    ],
)
def test_pixels_of_an_unknown_range_are_refused(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    words = f"pixels that are {kind}, whose range the file does not state"
    with pytest.raises(InputError, match=f"{name}: .*{words}"):
        load_rgb(tmp_path / name)
    assert words in images.look(tmp_path / name)[0]


def test_palette_with_transparency_becomes_rgb(tmp_path):
    image = Image.new("RGB", (5, 4), COLOUR).convert("P")
    exact = np.asarray(image.convert("RGB"))
    image.save(tmp_path / "a.png", transparency=bytes([0] * 256))
    check_colour(tmp_path / "a.png", exact)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_of_any_mode_reads_alike_in_pillow_and_in_the_pipeline(tmp_path, mode):
    photograph().convert(mode).save(tmp_path / "a.jpg")
    pixels = load_rgb(tmp_path / "a.jpg")
    assert pixels.shape == (40, 60, 3) and pixels.dtype == np.uint8
    assert (augment.decode(images.encoded(tmp_path / "a.jpg")) == pixels).all()


def test_cmyk_is_converted(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(load_rgb(tmp_path / "a.jpg").astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tiff", "webp", "ppm"])
def test_other_formats_are_handed_to_the_pipeline_as_pixels(tmp_path, suffix):
    photograph().save(tmp_path / f"a.{suffix}")
    pixels = load_rgb(tmp_path / f"a.{suffix}")
    assert (augment.decode(images.encoded(tmp_path / f"a.{suffix}")) == pixels).all()
    assert images.look(tmp_path / f"a.{suffix}")[0] is None


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97])
def test_a_truncated_file_is_found(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    photograph().save(path)
    assert images.look(path)[0] is None
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert images.look(path)[0]
    with pytest.raises(InputError, match=f"{path}: expected a whole image file, got: "):
        load_rgb(path)


def test_a_jpeg_with_padding_after_its_end_is_whole(tmp_path):
    path = tmp_path / "a.jpg"
    photograph().save(path)
    path.write_bytes(path.read_bytes() + b"\0" * 10)
    assert images.look(path)[0] is None
    path.write_bytes(path.read_bytes() + b"something of the camera's")  # decoded to be sure
    assert images.look(path)[0] is None


def test_a_png_with_a_damaged_middle_is_found(tmp_path):
    path = tmp_path / "a.png"
    photograph().save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert images.look(path)[0]


@pytest.mark.parametrize(
    ("content", "cause"), [(None, "No such file"), (b"no image at all " * 9, "no known image format")]
)
def test_no_image_is_named_with_the_reason(tmp_path, content, cause):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: .*{cause}"):
        load_rgb(path)


def test_evaluation_of_photographs_is_pillows_resize_and_a_centre_crop(plain):
    pixels = np.asarray(photograph(40, 60))
    data = plain("unused", image_size=14, mean=[0.1, 0.2, 0.3], std=[0.5, 0.4, 0.3]).data
    resized = Image.fromarray(pixels).resize((24, 16), Image.Resampling.BICUBIC)  # 14 * 256 / 224 = 16
    cropped = np.asarray(resized, np.float64)[1:15, 5:19]
    expected = ((cropped / 255 - data.mean) / data.std).transpose(2, 0, 1)
    result = transform_of(data)(pixels)
    assert result.shape == (3, 14, 14) and result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_evaluation_of_small_images_keeps_the_border(make_config):
    pixels = np.asarray(photograph(16, 16))
    data = make_config(source="cifar10", image_size=16).data
    np.testing.assert_allclose(transform_of(data)(pixels), (pixels.transpose(2, 0, 1) / 127.5) - 1, atol=1e-6)
    assert transform_of(data)(np.asarray(photograph(20, 30))).shape == (3, 16, 16)


def test_the_transform_equals_the_pipeline_of_the_validation_split(tmp_path, plain):
    paths = []
    for split in ("train", "val"):
        for number, (height, width) in enumerate([(14, 14), (30, 17), (9, 40)]):
            folder = tmp_path / split / "one"
            folder.mkdir(parents=True, exist_ok=True)
            photograph(height, width).save(folder / f"{number}.jpg")
            paths.append(folder / f"{number}.jpg")
    cfg = plain(tmp_path, image_size=14)
    ((batch, _),) = create_dataset(cfg, "val").epoch(0)
    assert (batch == [transform_of(cfg.data)(load_rgb(path)) for path in paths[3:]]).all()
