"""Signals that ask a run to stop, and that wait where stopping at once would lose work.

The command line runs a study within `handling_signals`. Elsewhere no handler is installed, and no signal waits.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console

from jaxrec.runtime import processes

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Ctrl-C; the end of a job; the signal that SLURM sends some time before on request (`--signal=USR1@120`)."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run, after everything was saved.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """The exit code that a shell expects of a process that a signal ended."""
        return 128 + self.number


@dataclass
class _Asked:
    """The signal that this process got, and whether it waits."""

    number: int | None = None
    waits: bool = False


_asked = _Asked()


def stop_requested() -> bool:
    """Tells whether a signal waits for the end of `deferred`, in any of the processes that compute together.

    This is a collective: every process must call it, and all get the same answer, so that all stop at the same place.
    """
    asked = processes.all_max(_asked.number or 0)
    if asked:  # keeps a signal that came in the meantime
        _asked.number = asked
    return bool(asked)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """A context in which a signal waits; its end raises Interrupted."""
    outer, _asked.waits = _asked.waits, True
    try:
        yield
    finally:
        _asked.waits = outer
    if _asked.number is not None and not outer:
        raise Interrupted(_asked.number)


@contextlib.contextmanager
def handling_signals() -> Iterator[None]:
    """A context in which the first signal raises Interrupted, at once or at the end of `deferred`.

    A second Ctrl-C ends the process. The process still ignores signals that it ignored before, such as Ctrl-C in the
    background of a script.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one may install handlers
        yield
        return
    _asked.number = None
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_end_at_the_second_ctrl_c, args=(reading,), daemon=True).start()
    pipe = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    handled = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    handlers = {number: signal.signal(number, _ask) for number in handled}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(pipe)
        os.close(writing)
        _asked.number = None


def _ask(number: int, _: object) -> None:
    if _asked.number is None:
        _asked.number = number
        if not _asked.waits:
            raise Interrupted(number)


def _end_at_the_second_ctrl_c(pipe: int) -> None:
    """Runs in a thread: while the main thread computes, Python calls no handlers, but writes signals to `pipe`."""
    stopping = False
    while number := os.read(pipe, 1):
        if number[0] == signal.SIGINT and stopping:
            Console(stderr=True).show_cursor()  # a progress bar hides it
            os._exit(Interrupted(signal.SIGINT).exit_code)
        if number[0] == signal.SIGINT:
            print("jaxrec: stopping; Ctrl-C again stops at once", file=sys.stderr, flush=True)  # noqa: T201
        stopping = stopping or number[0] in SIGNALS
    os.close(pipe)
