"""Progress in a log: a line as a task begins, a line a minute with the time left."""

from jaxrec.runtime.progress import LineMeter


class Clock:
    """Seconds that pass when they are told to."""

    now = 1000.0

    def __call__(self):
        return self.now


def play(total, seconds, note=""):
    """A task of parts that take `seconds` each."""
    clock = Clock()
    with LineMeter(clock) as meter:
        meter.start("training", total)
        for _ in range(total):
            clock.now += seconds
            meter.advance(note)


def test_a_task_of_a_minute_is_one_line(capsys):
    play(10, 5.0)
    assert capsys.readouterr().err == "training\n"


def test_a_long_task_tells_once_a_minute_what_is_left(capsys):
    play(12, 40.0, "clicks 7.1")
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "training"
    assert lines[0] == "training: 2 of 12 in 1 min, about 7 min left; clicks 7.1"  # 10 of 40 s are 6.7 min
    assert lines[-1] == "training: 10 of 12 in 7 min, about 1 min left; clicks 7.1"
    assert len(lines) == 5


def test_hours_and_seconds(capsys):
    play(4, 3900.0)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "training: 1 of 4 in 1 h 05 min, about 3 h 15 min left",
        "training: 2 of 4 in 2 h 10 min, about 2 h 10 min left",
        "training: 3 of 4 in 3 h 15 min, about 1 h 05 min left",
    ]
    play(100, 0.75)
    assert capsys.readouterr().err.splitlines()[1:] == ["training: 80 of 100 in 1 min, about 15 s left"]


def test_the_next_task_begins_anew(capsys):
    clock = Clock()
    meter = LineMeter(clock)
    meter.start("one", 2)
    clock.now += 100.0
    meter.start("two", 2)
    clock.now += 59.0
    meter.advance()
    assert capsys.readouterr().err.splitlines() == ["one", "two"]
