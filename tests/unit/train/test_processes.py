"""Work shared out to processes."""

import os

import pytest

from olfactory_transformer.train.processes import in_processes

PID = "__import__('os').getpid()"


def test_no_process_is_started_for_what_one_would_be_given_at_once():
    assert set(in_processes(eval, [PID] * 3, at_once=3)) == {os.getpid()}


def test_more_is_done_elsewhere_and_comes_in_order():
    assert os.getpid() not in set(in_processes(eval, [PID] * 3, at_once=2))
    assert list(in_processes(abs, range(-5, 0))) == [5, 4, 3, 2, 1]


def test_an_error_comes_through():
    with pytest.raises(ValueError, match="'x'"):
        list(in_processes(int, ["1", "x", "2"]))
