from __future__ import annotations

import os

import pytest

from olfactory_transformer.core.cpu import cpu_limit

ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def test_without_a_cgroup(tmp_path):
    assert cpu_limit(tmp_path) == ALLOWED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", ALLOWED),
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        ("150000 100000\n", min(2, ALLOWED)),
        ("9900000 100000\n", ALLOWED),
        ("nonsense\n", ALLOWED),
        ("", ALLOWED),
    ],
)
def test_quota_of_version_2(tmp_path, text, expected):
    (tmp_path / "cpu.max").write_text(text)
    assert cpu_limit(tmp_path) == expected


@pytest.mark.parametrize(
    ("quota", "expected"), [("-1", ALLOWED), ("50000", 1), ("9900000", ALLOWED), ("x", ALLOWED)]
)
def test_quota_of_version_1(tmp_path, quota, expected):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_limit(tmp_path) == expected
