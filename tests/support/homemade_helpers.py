"""What `homemade` calls."""

LEAST = 7


def extra(x):
    return inner(x)


def inner(x):
    return x + LEAST
