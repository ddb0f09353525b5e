"""Generated files are written, compared and formatted by one helper."""

from pathlib import Path

import pytest

from tools.generated_files import between_marks, formatted_python, stale, update, write


def test_written_files_match_and_an_edited_one_does_not(tmp_path: Path) -> None:
    """After a write nothing is stale; an edit by hand, a missing file and another module are, by path."""
    files = {"code/a.py": "A = 1\n", "docs/b.md": "é\n"}
    assert write(tmp_path, files, ["code"]) == ["code/a.py", "docs/b.md"]
    assert stale(tmp_path, files, ["code"]) == []
    (tmp_path / "code/a.py").write_bytes(b"A = 1\r\n")
    (tmp_path / "docs/b.md").unlink()
    (tmp_path / "code/forgotten.py").touch()
    assert stale(tmp_path, files, ["code"]) == ["code/a.py", "docs/b.md", "code/forgotten.py"]
    write(tmp_path, files, ["code"])
    assert not (tmp_path / "code/forgotten.py").exists()


def test_check_writes_nothing_and_names_the_file_and_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check fails with the path and what to run, and leaves the folder alone."""
    assert update(tmp_path, {"a.md": "x"}, check=True, source="rules.py") == 1
    captured = capsys.readouterr()
    assert captured.err == (
        "1 files do not match rules.py\n  a.md\nEdit rules.py, not these files, and run `make generate`.\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert update(tmp_path, {"a.md": "x"}, check=False, source="rules.py") == 0
    assert update(tmp_path, {"a.md": "x"}, check=True, source="rules.py") == 0
    assert "1 generated files match rules.py." in capsys.readouterr().out


def test_content_between_marks_is_replaced() -> None:
    """The lines between the marks change and everything else stays, also when the marks are indented."""
    text = "top\n  # begin\nold\nolder\n  # end\nbottom\n"
    assert between_marks(text, "# begin", "# end", "new") == "top\n  # begin\nnew\n  # end\nbottom\n"


@pytest.mark.parametrize("text", ["# begin\n", "# end\n# begin\n", "# begin\n# begin\n# end\n"])
def test_missing_repeated_or_swapped_marks_are_refused(text: str) -> None:
    """A file whose marks were edited is not written to."""
    with pytest.raises(ValueError, match="must each be there once, in this order"):
        between_marks(text, "# begin", "# end", "new")


def test_python_is_formatted_with_the_settings_of_the_repository() -> None:
    """A line of 100 columns stays whole, which ruff's own default would break; a syntax error names the file."""
    line = f"VALUES = [{', '.join(['1'] * 30)}]\n"
    assert 88 < len(line) < 110
    assert formatted_python(line, "x.py") == line
    with pytest.raises(ValueError, match=r"x\.py: .*[Ff]ailed to parse"):
        formatted_python("def", "x.py")
