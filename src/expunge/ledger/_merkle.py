"""Merkle trees as in RFC 9162, section 2.1 (the same as in RFC 6962): roots, proofs and their verification.

A tree is given by the hashes of its leaves in order, 32 bytes each. All functions are pure.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf that holds `data`: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: all that is needed to add leaves and to know the root.

    Attributes:
        size: Number of leaves.
        peaks: Roots of the perfect subtrees that the tree splits into, widest first.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def add(self, leaf: bytes) -> Self:
        """This tree with one more leaf, given by its hash; O(log size)."""
        peaks, merges = [*self.peaks, leaf], self.size
        while merges & 1:
            right, left = peaks.pop(), peaks.pop()
            peaks.append(node_hash(left, right))
            merges >>= 1
        return type(self)(self.size + 1, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The tree's root; SHA-256 of nothing for the empty tree."""
        if not self.peaks:
            return EMPTY_ROOT
        *rest, root = self.peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.add(leaf)
    return frontier.root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The path from leaf `index` to the root (RFC 9162, 2.1.3.1), nearest sibling first.

    Raises:
        IndexError: There is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"expected a leaf below {len(leaves)}, got {index}")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if index < split:
        return (*inclusion_proof(left, index), tree_root(right))
    return (*inclusion_proof(right, index - split), tree_root(left))


def consistency_proof(leaves: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """Proof that the tree of the first `old` leaves is a prefix of this one (RFC 9162, 2.1.4.1).

    Raises:
        IndexError: `old` is larger than the tree or negative.
    """
    if not 0 <= old <= len(leaves):
        raise IndexError(f"expected a size of at most {len(leaves)}, got {old}")
    return _subproof(leaves, old, whole=True) if old else ()


def _subproof(leaves: Sequence[bytes], old: int, *, whole: bool) -> tuple[bytes, ...]:
    if old == len(leaves):
        return () if whole else (tree_root(leaves),)
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if old <= split:
        return (*_subproof(left, old, whole=whole), tree_root(right))
    return (*_subproof(right, old - split, whole=False), tree_root(left))


def _split(size: int) -> int:
    """The largest power of two below `size`, for `size` of at least 2."""
    return 1 << (size - 1).bit_length() - 1


def includes(root: bytes, size: int, index: int, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that `leaf` stands at `index` of the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    here, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = node_hash(sibling, found)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and found == root


def extends(old_root: bytes, old: int, new_root: bytes, new: int, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the old tree is a prefix of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and old_root == (new_root if old == new else EMPTY_ROOT)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
