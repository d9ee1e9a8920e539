import json

import pytest
from pydantic import ValidationError

from expunge.bench.speed.results import Speed
from expunge.bench.speed.table import as_markdown, number, ratio
from expunge.errors import CorruptRunError
from tests.bench.speed.speed_samples import MODEL, result, stepped, whole


class TestFormat:
    def test_what_is_written_is_read_again(self) -> None:
        text = result().to_json()
        assert json.loads(text)["schema"] == "expunge/speed/v1"
        assert Speed.parse(text) == result()
        assert Speed.parse(text).to_json() == text

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda content: content.update(schema="expunge/speed/v2"), "schema"),
            (lambda content: content.update(extra=1), "extra"),
            (lambda content: content["timings"][1].update(seconds=600), "setup and all steps together, 510, not 600"),
            (lambda content: content["timings"][1].update(extrapolated=False), "whether fewer steps were measured"),
            (lambda content: content["timings"][0].update(seconds=-1), "greater than 0"),
            (lambda content: content["timings"][0].update(seconds=9), "between fastest and slowest"),
            (lambda content: content["timings"].append(content["timings"][0]), "once a model and number of images"),
            (lambda content: content["timings"][0].update(model="x"), "not described: x"),
        ],
    )
    def test_what_contradicts_itself_is_refused(self, change, message) -> None:
        content = json.loads(result().to_json())
        change(content)
        with pytest.raises(CorruptRunError, match=message) as raised:
            Speed.parse(json.dumps(content))
        assert "Measure again" in str(raised.value)

    def test_half_a_file_is_refused(self) -> None:
        with pytest.raises(CorruptRunError, match="not a result of expunge/speed/v1"):
            Speed.parse(result().to_json()[:100])

    def test_steps_belong_to_schedules_alone(self) -> None:
        with pytest.raises(ValidationError, match="if, and only if, there are steps"):
            whole(step_seconds=0.5)


class TestRatios:
    def test_with_the_same_images(self) -> None:
        assert ratio(result(), stepped()) == 255.0  # 510 s against 2 s

    def test_an_oracle_against_the_fewest_images(self) -> None:
        oracle = next(one for one in result().timings if one.images is None)
        assert ratio(result(), oracle) == 2_000_000.0

    def test_none_where_the_reference_is_missing(self) -> None:
        assert ratio(result(), stepped(images=64)) is None
        assert ratio(result(timings=(stepped(images=None),)), stepped(images=None)) is None


class TestMarkdown:
    def test_the_main_table(self) -> None:
        lines = as_markdown(result()).splitlines()
        start = lines.index("## m")
        assert lines[start + 2] == "a model: 1.5 million parameters, 4 blocks, 1,000 classes, images of 4 of them."
        assert lines[start + 6 : start + 10] == [
            "| 4 | closed-form | 2.00 [1.50 to 2.50] | 1.00 | – | 12.0 | 16 | 40.0 | 0.00 |",
            "| 4 | gs-lora | ≈ 510 [500 to 600] | 255 | 5 of 1,000 | 12.0 | 16 | ≈ 30,000 | ≈ 30,000 |",
            "| 16 | closed-form | 8.00 | 1.00 | – | 12.0 | 16 | 40.0 | 0.00 |",
            "| all | oracle | ≈ 4,000,000 [3,500,000 to 4,500,000] | 2,000,000 | 5 of 8,000,000 | – | 16 | ≈ 30,000 "
            "| ≈ 30,000 |",
        ]

    def test_schedules_what_is_left_out_and_growth(self) -> None:
        text = as_markdown(result())
        assert "- gs-lora: 100 epochs." in text
        assert "- m, gs-lora, 16 images a class: a step is too long\n- n, all methods: not installed\n" in text
        assert "- m, all methods, 1 image a class: no such images" in text
        assert "| 10 | 0.20 [0.10 to 0.30] | 1.00 |\n| 1,000 | 0.50 | 2.50 |" in text
        assert "Example CPU, 2 cores, 1 thread, 8 GB, cpu" in text
        assert "| commit | 0123456789ab |" in text

    def test_every_line_of_a_table_has_as_many_cells(self) -> None:
        tables = [part for part in as_markdown(result()).split("\n\n") if part.startswith("|")]
        assert len(tables) == 3
        for table in tables:
            assert len({line.count("|") for line in table.splitlines()}) == 1

    def test_nothing_left_out_and_no_growth_leave_no_heading(self) -> None:
        assert "Left out" not in as_markdown(result(skipped=()))
        assert "grow" not in as_markdown(result(growth=()))
        assert as_markdown(result(timings=(), models=(MODEL,))).count("| images a class") == 0


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00"), (0.01234, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers(value, text) -> None:
    assert number(value) == text
