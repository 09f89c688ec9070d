"""A simulated city that is started again goes on; it does not look as if every node had restarted."""

from __future__ import annotations

from pathlib import Path

from device_drivers.simcity.serve import SimOptions, age_s


def options(directory: Path, at_ms: int, seed: int = 1) -> SimOptions:
    return SimOptions(directory, lambda: at_ms, seed=seed, nodes=40)


def test_the_second_start_goes_on_from_the_first(tmp_path: Path) -> None:
    assert age_s(options(tmp_path, 1_000_000)) == 0
    assert age_s(options(tmp_path, 1_090_000)) == 90
    assert age_s(options(tmp_path, 1_100_000)) == 100


def test_another_city_a_clock_set_back_and_a_torn_file_begin_anew(tmp_path: Path) -> None:
    age_s(options(tmp_path, 1_000_000))
    assert age_s(options(tmp_path, 1_050_000, seed=2)) == 0
    assert age_s(options(tmp_path, 1_010_000, seed=2)) == 0
    (tmp_path / "born.json").write_text('[2, 40, "x"')
    assert age_s(options(tmp_path, 1_060_000, seed=2)) == 0
