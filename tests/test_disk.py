"""Free space where a folder is, or would be."""

from pathlib import Path

from fireside.disk import free_bytes, nearest_folder


def test_a_folder_that_is_not_there_yet_is_measured_where_it_would_be(tmp_path: Path) -> None:
    assert nearest_folder(tmp_path) == tmp_path
    missing = tmp_path / "a" / "b"
    assert nearest_folder(missing) == tmp_path
    assert free_bytes(missing) > 0
    assert not missing.parent.exists()
