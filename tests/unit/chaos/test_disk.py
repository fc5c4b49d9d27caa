"""A power cut takes what was written in the last second, and nothing before."""

from pathlib import Path

from chaos.bench.disk import Disk


def test_what_was_written_since_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    file, snapshot = folder / "a.1.incr.aof", folder / "a.1.base.rdb"
    snapshot.write_bytes(b"snapshot")
    disk = Disk(tmp_path)
    for now, written in ((1.0, b"old"), (2.0, b"old and new"), (3.0, b"old and new and newer")):
        file.write_bytes(written)
        disk.look(now)
    assert disk.lose(since=1.9) == len(b" and new and newer")
    assert (file.read_bytes(), snapshot.read_bytes()) == (b"old", b"snapshot")


def test_a_file_that_is_younger_is_lost_whole(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.look(1.0)
    (tmp_path / "a.2.incr.aof").write_bytes(b"new")
    disk.look(2.0)
    disk.lose(since=1.5)
    assert (tmp_path / "a.2.incr.aof").read_bytes() == b""
