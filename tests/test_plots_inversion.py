"""The picture of inverted records: what it draws, as images and as lines."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from mia_sklearn.disclosure import InversionContrast
from mia_sklearn.plots import InversionDisplay

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


def _contrast(shape, n=3, **change):
    rng = np.random.default_rng(0)
    x, members, fresh = rng.normal(size=(3, n, *shape))
    given = {
        "value": 0.25,
        "low": 0.1,
        "high": 0.4,
        "confidence": 0.95,
        "labels": np.array(["ann", "bob$", "cy", "dee"] * 4)[:n],
        "n_records": np.arange(1, n + 1),
        "members": np.linspace(0.5, 0.9, n),
        "fresh": np.linspace(0.3, 0.5, n),
        "x": x,
        "member_means": members,
        "fresh_means": fresh,
    }
    return InversionContrast(**{**given, **change})


def test_images():
    contrast = _contrast((16,))
    display = InversionDisplay.from_result(contrast)
    assert display.axes_.shape == (3, 3)
    for row, records in zip(
        display.axes_, (contrast.x, contrast.member_means, contrast.fresh_means), strict=True
    ):
        for ax, record in zip(row, records, strict=True):
            (image,) = ax.images
            drawn = np.asarray(image.get_array())
            assert drawn.shape == (4, 4)
            assert (drawn.min(), drawn.max()) == (0, 1)
            assert np.corrcoef(drawn.ravel(), record)[0, 1] == pytest.approx(1)
    assert [ax.get_title() for ax in display.axes_[0]] == ["ann", r"bob\$", "cy"]
    assert [ax.get_xlabel() for ax in display.axes_[1]] == ["0.50", "0.70", "0.90"]
    assert [ax.get_xlabel() for ax in display.axes_[2]] == ["0.30", "0.40", "0.50"]
    title = display.figure_._suptitle.get_text()
    assert "1 to 3 records per class: training 0.70, fresh 0.40" in title
    assert "+0.25 [+0.10, +0.40]" in title
    display.figure_.canvas.draw()
    assert display.frame()["members"].tolist() == contrast.members.tolist()


@pytest.mark.parametrize(
    ("record", "shape", "drawn"),
    [
        ((16,), (2, 8), (2, 8)),
        ((5, 7), "auto", (5, 7)),
        ((1, 4, 5), "auto", (4, 5)),
        ((3, 4, 5), "auto", (4, 5, 3)),
        ((4, 5, 3), "auto", (4, 5, 3)),
        ((48,), (4, 4, 3), (4, 4, 3)),
        ((6,), "auto", None),
        ((9,), "auto", None),
        ((2, 4, 5), "auto", None),
        ((16,), None, None),
    ],
)
def test_shapes(record, shape, drawn):
    display = InversionDisplay.from_result(_contrast(record), shape=shape)
    if drawn is None:
        assert display.axes_.shape == (3,)
        assert all(len(ax.lines) == 3 for ax in display.axes_)
    else:
        assert display.axes_[0, 0].images[0].get_array().shape == drawn
    display.figure_.canvas.draw()


def test_lines_are_what_correlates():
    contrast = _contrast((6,))
    display = InversionDisplay.from_result(contrast)
    inverted, fresh, members = (line.get_ydata() for line in display.axes_[1].lines)
    for drawn, of in ((fresh, contrast.fresh_means), (members, contrast.member_means)):
        expected = np.corrcoef(contrast.x[1], of[1])[0, 1]
        assert inverted @ drawn == pytest.approx(expected)
    names = [text.get_text() for text in display.axes_[1].get_legend().get_texts()]
    assert names == ["inverted", "fresh: 0.40", "training: 0.70"]


def test_chosen_classes_in_a_figure_given():
    figure = Figure()
    display = InversionDisplay.from_result(_contrast((16,)), labels=["cy"], figure=figure)
    assert display.figure_ is figure
    assert [ax.get_title() for ax in display.axes_[0]] == ["cy"]
    assert InversionDisplay.from_result(_contrast((16,), n=12)).axes_.shape == (3, 10)


def test_records_that_are_constant_and_one_class():
    contrast = _contrast((16,), n=1, x=np.ones((1, 16)), low=np.nan, high=np.nan)
    for shape in ("auto", None):
        display = InversionDisplay.from_result(contrast, shape=shape)
        assert display.figure_._suptitle.get_text().endswith("contrast +0.25")
        assert "1 record per class" in display.figure_._suptitle.get_text()
        display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["eve"]}, "labels must name classes that were inverted"),
        ({"labels": []}, "labels must name classes"),
        ({"shape": (3, 5)}, "does not fit records of 16 values"),
        ({"shape": (2, 2, 4, 1)}, "does not fit"),
        ({"shape": "square"}, "shape must be a tuple"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        InversionDisplay.from_result(_contrast((16,)), **options)
