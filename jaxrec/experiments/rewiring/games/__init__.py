"""Games beyond the dilemma: the T x S plane and public goods."""
