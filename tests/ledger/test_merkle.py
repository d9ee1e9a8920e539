import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.ledger._merkle import (
    Frontier,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    tree_root,
)

# The eight leaves, roots and proofs that certificate-transparency implementations share.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (index, size)
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old, new)
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def unhex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size) -> None:
    assert tree_root(HASHES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_published_inclusion_proofs(index, size) -> None:
    path = unhex(INCLUSION[index, size])
    assert list(inclusion_proof(HASHES[:size], index)) == path
    assert includes(bytes.fromhex(ROOTS[size]), size, index, HASHES[index], path)


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_published_consistency_proofs(old, new) -> None:
    path = unhex(CONSISTENCY[old, new])
    assert list(consistency_proof(HASHES[:new], old)) == path
    assert extends(bytes.fromhex(ROOTS[old]), old, bytes.fromhex(ROOTS[new]), new, path)


# An independent implementation: whole levels, where the last node of an odd level moves up as it is.


def levels(leaves: list[bytes]) -> list[list[bytes]]:
    found = [leaves]
    while len(found[-1]) > 1:
        below = found[-1]
        pairs = [below[at : at + 2] for at in range(0, len(below), 2)]
        found.append([hashlib.sha256(b"\x01" + b"".join(pair)).digest() if pair[1:] else pair[0] for pair in pairs])
    return found


def climb(tree: list[list[bytes]], level: int, node: int) -> list[bytes]:
    path = []
    for row in tree[level:]:
        if node ^ 1 < len(row):
            path.append(row[node ^ 1])
        node >>= 1
    return path


def naive_inclusion(leaves: list[bytes], index: int) -> list[bytes]:
    return climb(levels(leaves), 0, index)


def naive_consistency(leaves: list[bytes], old: int) -> list[bytes]:
    if old in (0, len(leaves)):
        return []
    tree, level, node = levels(leaves), 0, old - 1
    while node & 1:
        level, node = level + 1, node >> 1
    start = [tree[level][node]] if node else []
    return start + climb(tree, level, node)


def some(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(2, "big")) for number in range(size)]


@given(st.integers(1, 70).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_proofs_are_those_of_the_naive_implementation(case) -> None:
    size, at = case
    leaves = some(size)
    assert tree_root(leaves) == levels(leaves)[-1][0]
    assert list(inclusion_proof(leaves, at)) == naive_inclusion(leaves, at)
    assert list(consistency_proof(leaves, at)) == naive_consistency(leaves, at)
    assert list(consistency_proof(leaves, size)) == []


@pytest.mark.parametrize("size", range(1, 9))
def test_a_proof_shows_one_leaf_at_one_place_of_one_tree(size) -> None:
    """Of all combinations only the true one is accepted."""
    leaves = some(8)
    roots = {count: tree_root(leaves[:count]) for count in range(1, 9)}
    for index in range(size):
        path = inclusion_proof(leaves[:size], index)
        accepted = {
            (at, leaf, other)
            for at in range(-1, 9)
            for leaf in range(8)
            for other in range(1, 9)
            if includes(roots[other], size, at, leaves[leaf], path)
        }
        assert accepted == {(index, index, size)}
        damaged = [path[1:], (*path, leaves[0]), path[::-1] if len(path) > 1 else (leaves[0],)]
        assert not any(includes(roots[size], size, index, leaves[index], wrong) for wrong in damaged if wrong != path)


@pytest.mark.parametrize("new", range(12))
def test_a_consistency_proof_shows_one_prefix(new) -> None:
    leaves = some(11)
    roots = [tree_root(leaves[:count]) for count in range(12)]
    for old in range(new + 1):
        path = consistency_proof(leaves[:new], old)
        accepted = {other for other in range(12) if extends(roots[other], old, roots[new], new, path)}
        assert accepted == {old}
        assert not extends(roots[old], old, roots[new], new, (*path, leaves[0]))
        assert not path or not extends(roots[old], old, roots[new], new, path[:-1])
        assert old == 0 or not extends(roots[old], old, roots[(new + 1) % 12], new, path)


@given(st.integers(2, 40), st.data())
def test_one_wrong_bit_in_a_proof_is_refused(size, data) -> None:
    leaves = some(size)
    index = data.draw(st.integers(0, size - 1))
    path = list(inclusion_proof(leaves, index))
    at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    path[at] = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
    assert not includes(tree_root(leaves), size, index, leaves[index], path)


def test_the_frontier_knows_every_root_on_its_way() -> None:
    frontier = Frontier()
    for size, root in enumerate(ROOTS):
        assert (frontier.size, frontier.root.hex()) == (size, root)
        if size < 8:
            frontier = frontier.add(HASHES[size])


def test_proofs_of_what_is_not_there_are_refused() -> None:
    for index in (-1, 8):
        with pytest.raises(IndexError, match="below 8"):
            inclusion_proof(HASHES, index)
    for old in (-1, 9):
        with pytest.raises(IndexError, match="at most 8"):
            consistency_proof(HASHES, old)
    assert not extends(bytes.fromhex(ROOTS[3]), 3, bytes.fromhex(ROOTS[2]), 2, [])
