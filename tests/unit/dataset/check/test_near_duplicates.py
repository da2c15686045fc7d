"""The same and nearly the same pictures: found among photographs, and not made up."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from kerascnn.dataset import ArrayPictures, load_dataset
from kerascnn.dataset.check import near_duplicates as twins
from kerascnn.dataset.check import similar_pairs as search
from kerascnn.dataset.check.fingerprints import Fingerprints, concatenate, fingerprint_pictures
from kerascnn.dataset.check.near_duplicates import find_nearest, group_near_duplicates
from kerascnn.dataset.check.similar_pairs import MIN_SIMILARITY, similar_pairs
from kerascnn.dataset.check.whitening import WhitenedSpace

NAMES = (
    "astronaut", "coffee", "chelsea", "rocket", "camera", "clock", "moon", "coins",
    "hubble_deep_field", "immunohistochemistry",
)  # fmt: skip


class Listed:
    """Pictures of any sizes, from a list of Pillow images."""

    def __init__(self, pictures: list[Image.Image]) -> None:
        self.pictures = [np.asarray(picture.convert("RGB")) for picture in pictures]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.pictures[index]

    def apply(self, index: int, function) -> np.ndarray:
        return function(self.pictures[index])

    def name(self, index: int) -> str:
        return str(index)

    def sides(self, index: int) -> tuple[int, int]:
        height, width = self.pictures[index].shape[:2]
        return min(height, width), max(height, width)


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


COPIES = {
    "in poor quality": lambda p: jpeg(p, 20),
    "half as large": lambda p: p.resize((p.width // 2, p.height // 2)),
    "a thumbnail": lambda p: p.resize((64, 64)),
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.2),
    "with less contrast": lambda p: ImageEnhance.Contrast(p).enhance(0.7),
    "cut a little": lambda p: p.crop((2, 2, p.width - 2, p.height - 2)),
}


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    from skimage import data

    return [Image.fromarray(getattr(data, name)()).convert("RGB") for name in NAMES]


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("company", ["few", "many"])
def test_copies_of_photographs_are_found_and_others_are_not(photos, how, company) -> None:
    """Among 20 pictures, from which nothing can be learned, and among 720."""
    copies = [COPIES[how](photo) for photo in photos]
    others = parts(photos, 70) if company == "many" else []
    prints = fingerprint_pictures(Listed([*photos, *copies, *others]))
    found = find_nearest(prints, range(10, 20), [*range(10), *range(20, len(prints))])
    assert {index: twin.index for index, twin in found.items()} == {
        i: i - 10 for i in range(10, 20)
    }
    assert all(MIN_SIMILARITY <= twin.similarity <= 1.0001 for twin in found.values())
    assert not any(twin.exact for twin in found.values())


def parts(photos: list[Image.Image], each: int) -> list[Image.Image]:
    random = np.random.default_rng(0)
    found = []
    for photo in photos:
        for x, y in random.uniform(size=(each, 2)):
            left, top = int(x * (photo.width - 150)), int(y * (photo.height - 150))
            found.append(photo.crop((left, top, left + 150, top + 150)))
    return found


def test_equal_pixels_in_another_format_are_equal(photos) -> None:
    file = io.BytesIO()
    photos[0].save(file, "PNG")
    prints = fingerprint_pictures(Listed([photos[0], photos[1], Image.open(file)]))
    (group,) = group_near_duplicates(prints)
    assert (group.indices, group.exact, group.similarity) == ((0, 2), True, 1.0)
    assert find_nearest(prints, [2], [0, 1])[2].exact


def test_two_pictures_alone_can_be_twins(photos) -> None:
    """What varies cannot be learned from them."""
    near = fingerprint_pictures(Listed([photos[0], jpeg(photos[0], 30)]))
    assert [group.indices for group in group_near_duplicates(near)] == [(0, 1)]
    assert group_near_duplicates(fingerprint_pictures(Listed(photos[:2]))) == []
    assert group_near_duplicates(fingerprint_pictures(Listed(photos[:1]))) == []
    assert find_nearest(near, [0], []) == {}


def test_a_mirrored_or_recolored_picture_is_another(photos) -> None:
    mirrored = photos[1].transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    red, green, blue = photos[1].split()
    swapped = Image.merge("RGB", (blue, red, green))
    assert group_near_duplicates(fingerprint_pictures(Listed([*photos, mirrored, swapped]))) == []


def test_blank_pictures_are_the_same_only_when_they_are_equal() -> None:
    plain = [Image.new("RGB", (50, 50), (gray, gray, gray)) for gray in (0, 255, 254, 255)]
    shade = np.tile(np.arange(50) // 12, (50, 1))[..., None].repeat(3, 2)
    faint = [Image.fromarray((level + shade).astype(np.uint8)) for level in (0, 100, 200)]
    (group,) = group_near_duplicates(fingerprint_pictures(Listed([*plain, *faint])))
    assert (group.indices, group.exact) == ((1, 3), True)


def test_chains_become_one_group_with_its_weakest_link(photos) -> None:
    first = photos[2]
    copies = [first, jpeg(first, 40), jpeg(first, 15), first]
    (group,) = group_near_duplicates(
        fingerprint_pictures(Listed([photos[3], *copies, *photos[4:]]))
    )
    assert group.indices == (1, 2, 3, 4)
    assert not group.exact
    assert MIN_SIMILARITY <= group.similarity < 1


def all_pairs(prints: Fingerprints) -> set[tuple[int, int]]:
    """What the search shall find, without any of its shortcuts."""
    space = WhitenedSpace(prints.thumbnails)
    vectors = space.project(prints.thumbnails)
    first, second = np.nonzero(vectors @ vectors.T >= MIN_SIMILARITY)
    return {(int(a), int(b)) for a, b in zip(first, second, strict=True) if a < b}


@pytest.fixture
def clothes(monkeypatch: pytest.MonkeyPatch) -> Fingerprints:
    """Half of the built-in pictures, and a similarity that many pairs of them have."""
    splits = load_dataset("fashion-mini").splits.values()
    prints = concatenate([fingerprint_pictures(split.pictures) for split in splits])
    keep = slice(0, None, 2)
    for module in (search.__dict__, globals()):
        monkeypatch.setitem(module, "MIN_SIMILARITY", 0.75)
    return Fingerprints(prints.hashes[keep], prints.thumbnails[keep], prints.sizes[keep], {})


def found_pairs(prints: Fingerprints, ones: np.ndarray, others: np.ndarray) -> list:
    space = WhitenedSpace(prints.thumbnails)
    return [
        (int(a), int(b))
        for first, second, _ in similar_pairs(space, prints.thumbnails, ones, others)
        for a, b in zip(first, second, strict=True)
    ]


@pytest.mark.slow
def test_the_short_way_finds_exactly_what_the_long_way_finds(
    clothes: Fingerprints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_ROWS", 300)
    monkeypatch.setattr(search, "_COLUMNS", 700)
    expected = all_pairs(clothes)
    assert len(expected) > 100
    everyone = np.arange(len(clothes))
    found = found_pairs(clothes, everyone, everyone)
    assert len(found) == len(set(found))
    assert set(found) == expected


@pytest.mark.slow
def test_tables_find_what_comparing_all_finds(
    clothes: Fingerprints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MANY", 0)
    monkeypatch.setattr(search, "_DEARER", 0)
    monkeypatch.setattr(search, "_all_pairs", None)  # it is not called
    monkeypatch.setattr(search, "_GATHERED", 5000)
    expected = all_pairs(clothes)
    everyone = np.arange(len(clothes))
    found = set(found_pairs(clothes, everyone, everyone))
    assert found <= expected
    assert len(found) >= 0.99 * len(expected)
    half = len(clothes) // 2
    between = {pair for pair in expected if pair[0] < half <= pair[1]}
    found = set(found_pairs(clothes, everyone[:half], everyone[half:]))
    assert found <= between
    assert len(found) >= 0.99 * len(between)


def test_where_all_are_alike_tables_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would gather each pair many times."""
    monkeypatch.setattr(search, "_MANY", 0)
    monkeypatch.setattr(search._Tables, "pairs", None)
    tile = np.random.default_rng(0).integers(0, 250, (32, 32, 3), np.uint8)
    noise = np.random.default_rng(1).integers(0, 3, (60, 32, 32, 3), np.uint8)
    [group] = group_near_duplicates(fingerprint_pictures(ArrayPictures(tile + noise, "x")))
    assert len(group.indices) == 60


@pytest.mark.slow
def test_thousands_of_copies_are_no_trouble(monkeypatch) -> None:
    """Pairs grow with the square; what is done for each picture must not."""
    from skimage import data

    tile = data.astronaut()[:64, :64]
    noise = np.random.default_rng(0).integers(0, 3, (3000, 64, 64, 3), np.uint8)
    placed, joined_at_once = [], []
    place, join = WhitenedSpace.project, twins._DisjointSets.join

    def counting_projections(space, looks):
        placed.append(len(looks))
        return place(space, looks)

    def counting_join(links, ones, others, similarities):
        joined_at_once.append(len(ones))
        join(links, ones, others, similarities)

    monkeypatch.setattr(WhitenedSpace, "project", counting_projections)
    monkeypatch.setattr(twins._DisjointSets, "join", counting_join)
    (group,) = group_near_duplicates(
        fingerprint_pictures(ArrayPictures(np.minimum(tile, 250) + noise, "x"))
    )
    assert len(group.indices) == 3000
    assert sum(joined_at_once) > 4_000_000  # nearly all the pairs there are
    assert len(joined_at_once) < 10
    assert sum(placed) < 10 * 3000  # each a few times, and not once a pair


@pytest.mark.slow
@pytest.mark.full_data
@pytest.mark.full
def test_seventy_thousand_pictures(fashion_mnist) -> None:
    """600 million pairs; those found were looked at: the same things, photographed twice."""
    dataset = load_dataset(fashion_mnist)
    prints = concatenate(
        [fingerprint_pictures(dataset.splits[name].pictures) for name in ("train", "test")]
    )
    found = find_nearest(prints, range(60_000, 70_000), range(60_000))
    assert not any(twin.exact for twin in found.values())
    assert 30 <= len(found) <= 100
    same = sum(
        dataset.splits["test"].labels[index - 60_000] == dataset.splits["train"].labels[twin.index]
        for index, twin in found.items()
    )
    assert same >= 0.9 * len(found)
