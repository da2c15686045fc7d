"""Particles of Korean behind values: one form where it is known how the value is read."""

import re

import pytest

from kerascnn.language import sentences, table, tr, use_language
from kerascnn.language.messages import translated
from kerascnn.language.particles import with_particles


@pytest.mark.parametrize(
    ("value", "said"),
    [
        # By the rules for 조사: after a consonant, and 으로 after one that is not ㄹ.
        ("사진", "사진이 사진은 사진을 사진으로 사진이라 사진과"),
        ("고양이", "고양이가 고양이는 고양이를 고양이로 고양이라 고양이와"),
        ("물", "물이 물은 물을 물로 물이라 물과"),
        # Digits as they are read: 십, 일, 이, 삼, 백.
        ("10", "10이 10은 10을 10으로 10이라 10과"),
        ("1", "1이 1은 1을 1로 1이라 1과"),
        ("2", "2가 2는 2를 2로 2라 2와"),
        ("3", "3이 3은 3을 3으로 3이라 3과"),
        ("85.2%", "85.2%가 85.2%는 85.2%를 85.2%로 85.2%라 85.2%와"),
        ("cat", "cat이(가) cat은(는) cat을(를) cat(으)로 cat(이)라 cat와(과)"),
        ("", "이(가) 은(는) 을(를) (으)로 (이)라 와(과)"),
    ],
)
def test_the_form_follows_the_last_sound(value, said):
    template = "{x}이(가) {x}은(는) {x}을(를) {x}(으)로 {x}(이)라 {x}와(과)"
    assert with_particles(template, {"x": value}).format(x=value) == said


def test_quotes_do_not_hide_the_word_and_names_stay():
    with use_language("ko"):
        said = tr("{truth} predicted as {answer}", truth="이(가)", answer="강아지")
        assert said == "‘이(가)’: ‘강아지’로 예측"
        assert translated("x.jpg: no such file.") == "x.jpg: 파일이 없습니다."
        small = "image size {} is too small for cnn: expected at least 24. Its default is 28."
        assert "입력 크기 10이 너무" in translated(small.format(10))
        assert "입력 크기 12가 너무" in translated(small.format(12))


@pytest.mark.parametrize("rows", [sentences("ko"), table("ko_messages")], ids=["ko", "messages"])
def test_no_particle_is_fixed_behind_what_may_be_any_word(rows):
    names = (
        r"(?:name|label|one|other|file|path|folder|class|classes_there|model|network|size|value)"
    )
    for english, other in rows.items():
        found = re.search(
            rf"\{{{names}\}}[’'`]?(?:이|가|은|는|을|를|으로|로|과|와)(?=[ .,])", other
        )
        assert not found, english
