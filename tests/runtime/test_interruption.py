"""Signals: which are heard, when, and which stay ignored."""

import os
import signal

import pytest

from jaxrec.runtime import interruption


def test_a_signal_that_comes_while_it_is_asked_for_is_not_forgotten(monkeypatch):
    def meanwhile(value):
        os.kill(os.getpid(), signal.SIGTERM)
        return value

    monkeypatch.setattr(interruption.processes, "all_max", meanwhile)
    with interruption.handling_signals(), pytest.raises(interruption.Interrupted), interruption.deferred():
        assert not interruption.stop_requested()


def test_signals_that_are_ignored_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.handling_signals():
            os.kill(os.getpid(), signal.SIGINT)
            assert not interruption.stop_requested()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_waits_for_the_end_of_what_postpones_it():
    done = []

    def work():
        with interruption.deferred():
            with interruption.deferred():
                os.kill(os.getpid(), signal.SIGTERM)
                assert interruption.stop_requested()
            done.append("the outer goes on")
        done.append("never")

    with pytest.raises(interruption.Interrupted, match="SIGTERM"), interruption.handling_signals():
        work()
    assert done == ["the outer goes on"]
    assert not interruption.stop_requested()
