"""The report in Korean: nothing of it is left in English but names and terms."""

import re

from kerascnn.language import tr, use_language
from kerascnn.report.page import render_page

NAMES = {
    # Of the content that is shown, of layers, of commands and of measures.
    "script", "alert", "src", "img", "onerror", "flowers", "UTC", "kerascnn", "train", "seed",
    "bn", "Conv", "BatchNormalization", "Dense", "conv", "block", "head", "all", "fast", "top",
    "ROC", "AUC", "AP", "ECE", "Grad", "CAM", "fashion", "mini", "test", "val",
}  # fmt: skip


def test_a_korean_page_has_no_english_sentence_left(content):
    with use_language("ko"):
        page = render_page(content())
    assert '<html lang="ko">' in page
    body = re.sub(
        r"<style>.*?</style>|<[^>]*>|&[^;]+;", " ", page.partition("<body>")[2], flags=re.S
    )
    words = set(re.findall(r"[A-Za-z]{2,}", body))
    assert not {word for word in words - NAMES if not word.isupper()}


def test_facts_have_korean_names():
    with use_language("ko"):
        names = ["network", "precision", "system", "processor", "memory", "Model", "Data", "Speed"]
        assert all(re.search("[가-힣]", tr(name)) for name in names)
