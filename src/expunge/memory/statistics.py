"""Statistics of one class: a Gaussian over the hidden states that enter a block, and the class's prototype."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import ClassMemoryError


@dataclass(frozen=True, eq=False)
class ClassStatistics:
    """Statistics of a class that are kept in place of its images.

    A hidden state of the class is modelled as mean + zᵀ·factors with z ~ N(0, I), so its covariance, flattened, as
    factorsᵀ·factors.

    Attributes:
        count: Images that the statistics were taken of.
        mean: Mean hidden state of an image, e.g. (tokens, d).
        factors: Principal directions of the deviations from it, each as long as its standard deviation (divisor
            count - 1), longest first. There are never more than count - 1.
        prototype: Mean embedding, the input of the classifier.
    """

    count: int
    mean: Float[Tensor, "*hidden"]
    factors: Float[Tensor, "r *hidden"]
    prototype: Float[Tensor, " d"]


class Accumulator:
    """Takes the statistics of one class in one pass over its hidden states, in float64.

    Mean and principal directions are brought up to date with each batch as in section 2.1 of Ross, Lim, Lin, Yang,
    "Incremental Learning for Robust Visual Tracking" (IJCV 2008): directions so far, deviations of the batch from its
    own mean, and one row for the shift of the mean are stacked and cut back to `rank` directions. The cut takes the
    eigenvectors of the small Gram matrix of these rows (Golub and Van Loan, "Matrix Computations", 8.6), so no more
    than rank + batch + 1 rows are ever held.

    Mean and prototype are exact up to rounding. So are the directions while the states have no more than `rank` of
    them, above all with at most rank + 1 images; neither the batches nor the order of the images matter then. Past
    that, each cut drops the variance outside the leading directions: what is kept comes close to the leading part of
    the covariance, from below, and depends a little on the order.
    """

    def __init__(self, rank: int) -> None:
        """Nothing is seen yet.

        Raises:
            ClassMemoryError: `rank` is below 1.
        """
        if rank < 1:
            raise ClassMemoryError(f"a memory keeps at least 1 direction a class, {rank} were asked for")
        self.count = 0
        self._rank = rank
        self._shape: tuple[int, ...] = ()
        self._mean, self._rows, self._embeddings = torch.zeros(0), torch.zeros(0), torch.zeros(0)

    def add(self, hidden: Float[Tensor, "n *hidden"], embeddings: Float[Tensor, "n d"]) -> None:
        """Takes in one batch of a class.

        Raises:
            ClassMemoryError: A value is not finite.
        """
        if not (hidden.isfinite().all() and embeddings.isfinite().all()):
            raise ClassMemoryError("hidden states are not finite numbers: the model overflows on these images")
        states, embeddings = _precise(hidden).flatten(1), _precise(embeddings)
        m, mean = len(states), states.mean(dim=0)
        if self.count == 0:
            self._shape, self._embeddings, rows = tuple(hidden.shape[1:]), embeddings.sum(dim=0), states - mean
            self._mean = mean
        else:
            n, total = self.count, self.count + m
            shift = (n * m / total) ** 0.5 * (mean - self._mean)
            rows = torch.cat([self._rows, states - mean, shift[None]])
            self._mean = self._mean + (mean - self._mean) * (m / total)
            self._embeddings = self._embeddings + embeddings.sum(dim=0)
        self.count += m
        self._rows = _leading(rows, min(self._rank, self.count - 1, rows.shape[1]))

    def result(self) -> ClassStatistics:
        """The statistics of what was added, in float32 on the CPU.

        Raises:
            ClassMemoryError: Nothing was added.
        """
        if self.count == 0:
            raise ClassMemoryError("there are no statistics of a class without an image")
        factors = _signed(self._rows) / max(self.count - 1, 1) ** 0.5
        return ClassStatistics(
            count=self.count,
            mean=self._mean.view(self._shape).float().cpu(),
            factors=factors.view(-1, *self._shape).float().cpu(),
            prototype=(self._embeddings / self.count).float().cpu(),
        )


def _precise(values: Tensor) -> Tensor:
    """In float64, where they are; Apple's GPUs have no such numbers."""
    values = values.detach()
    return (values.cpu() if values.device.type == "mps" else values).to(torch.float64)


def _leading(rows: Float[Tensor, "n d"], most: int) -> Float[Tensor, "r d"]:
    """`most` rows R with RᵀR the best approximation of rowsᵀ·rows of that rank, longest first."""
    left = torch.linalg.eigh(rows @ rows.T).eigenvectors.flip(1)[:, :most]
    return left.T @ rows


def _signed(rows: Float[Tensor, "r d"]) -> Float[Tensor, "r d"]:
    """Turns each row so that its largest entry is positive: otherwise the sign would be a matter of rounding."""
    if not len(rows):
        return rows
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    return torch.where(largest < 0, -rows, rows)
