"""What a benchmark writes into its page: its own section, whole, and nothing else."""

import pytest

from benchmarks.report import PAGE, Row, report_of, with_section

REPORT = report_of("pipe", "Through all", [Row("CPU", 1234.56, "ms", "<= 12"), Row("of which", 0.25, "ms")])
SECTION = """\
<!-- pipe -->
Through all. Here.

| what | measured | unit | goal |
| --- | --- | --- | --- |
| CPU | 1,234.6 | ms | <= 12 |
| of which | 0.2 | ms |  |
<!-- end of pipe -->
"""


def test_a_section_is_replaced_and_the_others_stand() -> None:
    page = "# Page\n\n<!-- pipe -->\nold\n<!-- end of pipe -->\n\n<!-- soak -->\nstays\n<!-- end of soak -->\n"
    written = with_section(page, REPORT, "Here.")

    assert written == f"# Page\n\n{SECTION}\n<!-- soak -->\nstays\n<!-- end of soak -->\n"
    assert with_section(written, REPORT, "Here.") == written


def test_a_page_without_the_section_is_told() -> None:
    with pytest.raises(ValueError, match="no section pipe"):
        with_section("# Page\n", REPORT, "Here.")


@pytest.mark.parametrize("name", ["pipe", "fairness", "quota", "soak"])
def test_the_page_has_a_section_for_each(name: str) -> None:
    assert f"<!-- {name} -->" in PAGE.read_text(encoding="utf-8")
