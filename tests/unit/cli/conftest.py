from collections.abc import Callable
from pathlib import Path

import pytest

from cli.__main__ import main
from cli.variables import VARIABLES
from tests.suites.command_line import Ran

RunSluice = Callable[..., Ran]


@pytest.fixture
def sluice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunSluice:
    """`sluice("config", "validate", OPENAI_API_KEY="k")`, in an empty folder: for commands that ask no server."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **variables: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["sluice", *arguments])
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return Ran(int(left.value.code or 0), out, err)

    return run
