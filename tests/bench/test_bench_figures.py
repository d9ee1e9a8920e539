import subprocess
import sys
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from expunge.bench.aggregate import summarise
from expunge.bench.figures import figures_of
from expunge.bench.figures._distance import column_scale, gap_columns, probe_distance
from expunge.bench.figures._placing import nearest, place
from tests.bench.made_up import METHODS, cell, likely, rate, request

FEW = (*METHODS[:4], "gs-lora++", "scrub")


def words(svg: str) -> list[str]:
    """All texts of a figure, in order."""
    return [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(scope="module")
def summary():
    return summarise([likely(method, seed, 3) for method in FEW for seed in (0, 1)], expected={"salun"})


@pytest.fixture(scope="module")
def drawn(summary):
    return {name: draw() for name, draw in figures_of(summary).items()}


def test_three_figures_with_every_method_in_words(drawn) -> None:
    assert list(drawn) == [f"faces-replay-{kind}.svg" for kind in ("gaps", "requests", "seconds")]
    for svg in drawn.values():
        assert set(FEW[1:]) <= set(words(svg))


def test_the_heat_map_shows_each_gap_and_what_is_missing(drawn, summary) -> None:
    said = words(drawn["faces-replay-gaps.svg"])
    columns = gap_columns(summary)
    assert [column.key for column in columns][:4] == ["h", "acc_f", "acc_r", "acc_o"]
    gap = summary.final["scrub", "linear_probe"].gap
    assert f"{gap:+.1f}".replace("-", "−") in said
    assert said.count("–") == len(columns)  # salun has no cell


def test_sorted_by_distance_below_the_anchors(drawn, summary) -> None:
    said = [word for word in words(drawn["faces-replay-gaps.svg"]) if word in (*FEW, "salun")]
    near, far = sorted(("gs-lora++", "scrub"), key=lambda m: abs(summary.final[m, "linear_probe"].gap))
    assert said == [*FEW[:4], near, far, "salun"]


def test_no_background_and_no_date(drawn) -> None:
    for svg in drawn.values():
        assert "dc:date" not in svg
        assert "#ffffff" not in svg.split("</defs>")[0].lower()


def test_another_process_draws_the_same_bytes(drawn, tmp_path) -> None:
    code = (
        "import sys; from expunge.bench.aggregate import summarise; from expunge.bench.figures import figures_of\n"
        "from tests.bench.made_up import likely\n"
        f"found = summarise([likely(m, s, 3) for m in {FEW!r} for s in (0, 1)], expected={{'salun'}})\n"
        "sys.stdout.buffer.write(figures_of(found)['faces-replay-seconds.svg']().encode())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert done.stdout.decode() == drawn["faces-replay-seconds.svg"]


def test_what_cannot_be_drawn_is_left_out() -> None:
    lone = summarise([cell("ewc", 0, [request(1, {"acc_f": rate(1)})])])
    assert list(figures_of(lone)) == ["faces-replay-seconds.svg"]
    without_h = figures_of(lone)["faces-replay-seconds.svg"]()
    assert "ewc" not in words(without_h)


def test_of_the_original_alone_there_is_no_figure() -> None:
    assert not figures_of(summarise([likely("original", 0, 3)]))


def test_distance_is_the_mean_over_the_probes() -> None:
    def one(method, linear, rank, acc):
        readings = {"linear_probe": rate(linear, "oracle"), "rank1": rate(rank, "oracle"), "acc_r": rate(acc, "high")}
        readings["int8_linear_probe"] = readings["linear_probe"]  # the same again, which does not count twice
        return cell(method, 0, [request(1, readings)])

    found = summarise([one("ewc", 50, 20, 10), one("oracle-scratch", 40, 24, 90)])
    assert probe_distance(found, "ewc") == {0: (10 + 4) / 2}
    assert probe_distance(found, "salun") == {}
    assert column_scale(found, "acc_r") == 80
    assert column_scale(found, "rank1") == 10  # never less


class TestPlacing:
    @given(st.lists(st.tuples(st.floats(100, 700), st.floats(100, 300)), min_size=1, max_size=14, unique=True))
    def test_names_cover_neither_names_nor_points(self, points) -> None:
        room = (0.0, 0.0, 900.0, 400.0)
        boxes = place(points, [(60.0, 11.0)] * len(points), room)
        for one, other in combinations(boxes, 2):
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]
        for box in boxes:
            assert room[0] <= box[0] < box[2] <= room[2]
            assert room[1] <= box[1] < box[3] <= room[3]
            assert not any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)

    def test_a_lone_point_has_its_name_at_its_right(self) -> None:
        ((left, bottom, right, top),) = place([(50.0, 50.0)], [(30.0, 10.0)], (0.0, 0.0, 100.0, 100.0))
        assert (left, right) == (57, 87)
        assert (bottom, top) == (45, 55)

    def test_leading_lines_end_at_the_nearest_edge(self) -> None:
        assert nearest((10.0, 10.0, 20.0, 20.0), (0.0, 15.0)) == (10, 15)
        assert nearest((10.0, 10.0, 20.0, 20.0), (30.0, 30.0)) == (20, 20)


def test_without_matplotlib_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import expunge.bench.tables\n"
        "from expunge.errors import MissingExtraError\n"
        "try:\n    import expunge.bench.figures\n"
        "except MissingExtraError as error:\n    sys.stdout.write(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 'pip install "expunge[bench]"' in done.stdout
