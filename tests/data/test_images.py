from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from cuescan.data.images import case_name, list_images, read_header, read_picture
from cuescan.errors import UserError

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (40, 60), dtype=np.uint8)


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "TIFF"])
@pytest.mark.parametrize("pixels", [RGB, GRAY], ids=["rgb", "gray"])
def test_lossless_formats_keep_every_pixel(tmp_path: Path, pixels: np.ndarray, ending: str) -> None:
    path = save(Image.fromarray(pixels), tmp_path / f"a.{ending}")
    header = read_header(path)
    assert (header.size, header.channels, header.dtype) == ((40, 60), pixels.ndim * 2 - 3, "uint8")
    np.testing.assert_array_equal(read_picture(path).pixels, pixels)


def test_jpeg_is_close(tmp_path: Path) -> None:
    smooth = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None, None], (1, 64, 3))
    path = save(Image.fromarray(smooth), tmp_path / "a.jpeg", quality=95)
    assert np.abs(read_picture(path).pixels.astype(int) - smooth).max() < 10


def test_palette_becomes_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(GRAY % 3, "P")
    image.putpalette([10, 20, 30, 200, 100, 0, 1, 2, 3])
    path = save(image, tmp_path / "a.png")
    assert read_header(path).channels == 3
    np.testing.assert_array_equal(
        read_picture(path).pixels, np.array([[10, 20, 30], [200, 100, 0], [1, 2, 3]], np.uint8)[GRAY % 3]
    )


def test_transparency_is_put_over_white(tmp_path: Path) -> None:
    alpha = np.zeros((40, 60, 1), np.uint8)
    alpha[:20] = 255
    pixels = read_picture(save(Image.fromarray(np.concatenate([RGB, alpha], -1)), tmp_path / "a.png")).pixels
    np.testing.assert_array_equal(pixels[:20], RGB[:20])
    assert (pixels[20:] == 255).all()


def test_gray_with_alpha_stays_gray(tmp_path: Path) -> None:
    path = save(Image.fromarray(np.stack([GRAY, np.zeros_like(GRAY)], -1), "LA"), tmp_path / "a.png")
    assert read_header(path).channels == 1
    pixels = read_picture(path).pixels
    assert pixels.shape == (40, 60)
    assert (pixels == 255).all()


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    path = save(Image.fromarray(GRAY > 99), tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(path).pixels, np.where(GRAY > 99, 255, 0))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bit_gray_keeps_its_values(tmp_path: Path, ending: str) -> None:
    values = GRAY.astype(np.uint16) * 257
    path = save(Image.fromarray(values), tmp_path / f"a.{ending}")
    assert read_header(path).dtype == "uint16"
    pixels = read_picture(path).pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, values)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 270 degrees to be upright
    path = save(Image.fromarray(RGB), tmp_path / "a.png", exif=exif)
    assert read_header(path).size == (60, 40)
    np.testing.assert_array_equal(read_picture(path).pixels, np.rot90(RGB, -1))


def test_float_images_are_refused(tmp_path: Path) -> None:
    path = save(Image.fromarray(GRAY.astype(np.float32)), tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: pixels of mode F do not fit into a PNG; save it as 8 or 16 bit"):
        read_header(path)


def test_many_pages_are_refused(tmp_path: Path) -> None:
    path = save(Image.fromarray(GRAY), tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(GRAY)])
    with pytest.raises(UserError, match="holds 2 pages; save the one that is meant"):
        read_header(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_a_truncated_image_is_named(tmp_path: Path, ending: str) -> None:
    path = save(Image.fromarray(RGB), tmp_path / f"a.{ending}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"a\.{ending}: the image is truncated or damaged .*; copy it again or remove"):
        read_picture(path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"a\.png: the file has size zero; copy it again or remove the case"):
        read_header(tmp_path / "a.png")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(UserError, match=r"a\.png: not an image, or damaged at its start"):
        read_header(tmp_path / "a.png")


def write_dicom(path: Path, pixels: np.ndarray, vector: bool = False, **tags: str) -> Path:
    image = sitk.GetImageFromArray(pixels, isVector=vector)
    image.SetSpacing((0.5, 0.25, 1.0)[: image.GetDimension()])
    for key, value in tags.items():
        image.SetMetaData(key.replace("_", "|").removeprefix("x"), value)
    sitk.WriteImage(image, str(path))
    return path


def test_dicom_slice_keeps_values_spacing_and_modality(tmp_path: Path) -> None:
    values = RNG.integers(-1000, 1000, (1, 40, 60)).astype(np.int16)
    path = write_dicom(tmp_path / "a.dcm", values, x0008_0060="CT")
    header = read_header(path)
    assert (header.size, header.modality, header.channel_name) == ((40, 60), "CT", "CT")
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, values[0])
    assert picture.geometry is not None
    assert picture.geometry.spacing == (0.5, 0.25)


def test_dicom_that_shows_low_values_white_is_inverted(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", GRAY[None].astype(np.uint16))
    path.write_bytes(path.read_bytes().replace(b"MONOCHROME2", b"MONOCHROME1"))
    pixels = read_picture(path).pixels.astype(int)
    np.testing.assert_array_equal(pixels - pixels.max(), int(GRAY.min()) - GRAY.astype(int))


def test_colour_dicom_is_a_photograph(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", RGB[None], vector=True)
    assert (read_header(path).channels, read_header(path).medical) == (3, False)
    np.testing.assert_array_equal(read_picture(path).pixels, RGB)


def test_nifti_slice(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(GRAY.astype(np.float32)), str(path))
    assert read_header(path).channel_name == "zscore"
    np.testing.assert_array_equal(read_picture(path).pixels, GRAY)


def test_a_volume_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 40, 60), np.float32)), str(path))
    with pytest.raises(UserError, match=r"a\.nii\.gz: not a single slice but 60 x 40 x 3"):
        read_header(path)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.dcm"])
def test_a_damaged_slice_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b damaged")
    with pytest.raises(UserError, match="the image is truncated or damaged"):
        read_header(tmp_path / name)


def test_case_names_lose_only_image_endings() -> None:
    assert [case_name(Path(name)) for name in ("a.v1.png", "b.nii.gz", "c.v2", "D.JPG")] == ["a.v1", "b", "c.v2", "D"]


def test_names_that_collide_are_an_error(tmp_path: Path) -> None:
    for name in ("a.png", "A.bmp"):
        save(Image.fromarray(GRAY), tmp_path / name)
    with pytest.raises(UserError, match=r"case 'a' has two images \(A\.bmp, a\.png\); rename or remove one"):
        list_images(tmp_path)


def test_other_files_are_left_out(tmp_path: Path) -> None:
    for name in ("Thumbs.db", ".a.png", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="no image in this folder"):
        list_images(tmp_path)
    with pytest.raises(UserError, match="there is no such folder"):
        list_images(tmp_path / "missing")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_damage_anywhere_is_one_sentence_or_unnoticed(tmp_path: Path, ending: str) -> None:
    whole = save(Image.fromarray(RGB), tmp_path / f"a.{ending}").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, rng.choice([60, 400, len(whole)]), 4):
            damaged[place] = rng.integers(256)
        (tmp_path / f"a.{ending}").write_bytes(damaged)
        try:
            read_header(tmp_path / f"a.{ending}")
            read_picture(tmp_path / f"a.{ending}")
        except UserError as error:
            assert "\n" not in str(error)
            assert f"a.{ending}: " in str(error)
