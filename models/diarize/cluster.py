"""Which voices are one person's: agglomerative clustering with average linkage over cosine distance, by scipy.

Takes unit vectors, gives group numbers. A group of too few voices is no speaker of its own: its voices join the group
whose mean is nearest. These are the rules of pyannote's clustering with no limit on the number of speakers, and
the same numbers come out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.diarize.attribute import DiarizeOptions

_LARGE_SHARE = 0.1  # in short calls this share of all voices is enough for a group


def clustered(voices: NDArray[np.float32], options: DiarizeOptions) -> NDArray[np.int_]:
    """Group numbers of (voices, dimension) unit vectors."""
    from scipy.cluster.hierarchy import fcluster, linkage  # type: ignore[import-untyped]

    count = len(voices)
    if count < 2:
        return np.zeros(count, dtype=int)
    wanted = max(options.min_cluster_size, round(options.min_cluster_share * count))
    smallest = min(wanted, max(1, round(_LARGE_SHARE * count)))
    tree = linkage(voices, method="average", metric="cosine")
    groups = fcluster(tree, options.threshold, criterion="distance")
    if not len(_large(groups, smallest)):
        groups = _nearest_with_one_large(tree, options.threshold, smallest)
    return _without_small(voices, groups, smallest)


def _large(groups: NDArray[np.int_], smallest: int) -> NDArray[np.int_]:
    """The groups of at least that many voices."""
    numbers, counts = np.unique(groups, return_counts=True)
    large: NDArray[np.int_] = numbers[counts >= smallest]
    return large


def _nearest_with_one_large(tree: NDArray[np.float64], threshold: float, smallest: int) -> NDArray[np.int_]:
    """The groups after the merge nearest to the threshold that leaves exactly one large group; the last one does."""
    from scipy.cluster.hierarchy import fcluster

    by_merge = tree.copy()
    by_merge[:, 2] = np.arange(len(tree))
    groups: NDArray[np.int_] = np.ones(len(tree) + 1, dtype=int)
    for merge in np.argsort(np.abs(tree[:, 2] - threshold)):
        if tree[merge, 3] < smallest:
            continue
        groups = fcluster(by_merge, merge, criterion="distance")
        if len(_large(groups, smallest)) == 1:
            break
    return groups


def _without_small(voices: NDArray[np.float32], groups: NDArray[np.int_], smallest: int) -> NDArray[np.int_]:
    """The groups, the voices of each small one in the large one whose mean is nearest; numbered from 0."""
    from scipy.spatial.distance import cdist  # type: ignore[import-untyped]

    large = _large(groups, smallest)
    small = np.setdiff1d(groups, large)
    if len(small):
        means = [np.stack([voices[groups == each].mean(axis=0) for each in kind]) for kind in (large, small)]
        nearest = large[np.argmin(cdist(*means, metric="cosine"), axis=0)]
        joined = dict(zip(small.tolist(), nearest.tolist(), strict=True))
        groups = np.array([joined.get(each, each) for each in groups.tolist()])
    numbered: NDArray[np.int_] = np.unique(groups, return_inverse=True)[1]
    return numbered
