from pathlib import Path

from ovapi.engine.process.oom_kills import oom_kills


def test_the_kernel_counts_them(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 12\noom_kill 7\ndrop_slab 0\n")
    assert oom_kills(vmstat) == 7
    vmstat.write_text("nr_free_pages 12\n")
    assert oom_kills(vmstat) == 0
    assert oom_kills(tmp_path / "absent") == 0


def test_it_never_falls() -> None:
    assert oom_kills() <= oom_kills()
