"""Societies as NumPy arrays, after checking what must hold of them."""

from typing import NamedTuple

import numpy as np


def as_bits(matrix):
    """bool[..., N] as uint32[..., words], user 0 the lowest bit."""
    size = matrix.shape[-1]
    padded = np.zeros((*matrix.shape[:-1], -(-size // 32) * 32), bool)
    padded[..., :size] = matrix
    return np.ascontiguousarray(np.packbits(padded, axis=-1, bitorder="little")).view("<u4").astype(np.uint32)


def as_bools(words, size):
    """The inverse."""
    words = np.ascontiguousarray(words, dtype="<u4")
    return np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")[..., :size].astype(bool)


class Unpacked(NamedTuple):
    """Many societies: bool[societies, N, N] who is tied to whom, bool[societies, N], int[societies, N] recommenders."""

    matrices: np.ndarray
    cooperates: np.ndarray
    kinds: np.ndarray


def checked(society):
    """Many societies in the layout for many, of `jaxrec.envs.rewiring.graph.society`; AssertionError if one breaks."""
    size = society.num_users
    adjacency = np.asarray(society.adjacency)
    matrices = as_bools(adjacency, size)
    assert (as_bits(matrices) == adjacency).all(), "bits beyond the last user"
    assert (matrices == matrices.swapaxes(1, 2)).all(), "not symmetric"
    assert not matrices[:, np.arange(size), np.arange(size)].any(), "a loop"
    if society.degrees.shape[0]:
        np.testing.assert_array_equal(np.asarray(society.degrees).T, matrices.sum(axis=2))
    if society.edges.shape[1]:
        edges = np.sort(np.asarray(society.edges), axis=2)
        assert matrices[np.arange(len(edges))[:, None], edges[..., 0], edges[..., 1]].all(), "a listed tie is none"
        distinct = [len(np.unique(codes)) for codes in edges[..., 0] * size + edges[..., 1]]
        np.testing.assert_array_equal(distinct, matrices.sum(axis=(1, 2)) // 2, "a tie is not listed")
    cooperators = np.asarray(society.cooperators).T
    cooperates = as_bools(cooperators, size)
    assert (as_bits(cooperates) == cooperators).all(), "bits beyond the last user"
    kinds = np.zeros((len(matrices), size), int)
    if society.members.shape[0]:
        members = as_bools(np.asarray(society.members).transpose(0, 2, 1), size)
        assert (members.sum(axis=0) == 1).all(), "a user with no recommender, or two"
        kinds = members.argmax(axis=0)
    return Unpacked(matrices, cooperates, kinds)
