"""Aims of the closed form at each of a detector's sites: of queries at objects, and of the encoder's tokens."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.methods._sites import Site
from expunge.methods.detection._scene_rows import SceneSeen, SceneStates, see, watch
from expunge.vision.detection import DetectionModel, locate

EVERYWHERE = 0.5
"""The part of what keeping counts at a token site that goes evenly to all tokens, backgrounds among them; the rest goes
to the tokens by which queries know retained objects."""

LEAST_ATTENTION = 1e-3
"""A token that counts less than this part of the mean token of its class is left out: there are many."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """Rows of a regression: what enters the layer, the change that is wanted after the block, what each row counts."""

    inputs: Float[Tensor, "r m"]
    changes: Float[Tensor, "r d"]
    weights: Float[Tensor, " r"]


@runtime_checkable
class SceneTarget(Protocol):
    """Aim at one site, read off the detector before the request."""

    def away(self, forget: SceneSeen) -> Wanted:
        """Each forgotten class's mean onto the aim; what all of its rows count adds up to 1 over the classes."""
        ...

    def back(self, retain: SceneSeen) -> Wanted:
        """Targets that give back what others have lost; the weights of all rows of what is retained add up to 1."""
        ...


@dataclass(frozen=True, eq=False)
class QueryTarget:
    """At a decoder's block. A query is known by the object it stands at, for which one it is may change.

    Attributes:
        mean: Where the forgotten classes' means are to go.
        before: The residual stream of the query at each retained object.
        rows: (scene, object) -> row of `before`.
        background: What holding all queries still that stand at no object counts, beside 1 for those at objects.
    """

    mean: Float[Tensor, " d"]
    before: Float[Tensor, "m d"]
    rows: Int[Tensor, "n most"]
    background: float

    def away(self, forget: SceneSeen) -> Wanted:
        """The query at each object of a forgotten class."""
        at = forget.located
        inputs, now = forget.inputs[at.scenes, at.queries], forget.outputs[at.scenes, at.queries]
        means, numbers, shares = _class_means(now, at.labels)
        return Wanted(inputs, (self.mean - means)[numbers], shares)

    def back(self, retain: SceneSeen) -> Wanted:
        """The query at each retained object, and those at none, which shall not move further."""
        at = retain.located
        inputs, now = retain.inputs[at.scenes, at.queries], retain.outputs[at.scenes, at.queries]
        lost = self.before[self.rows[at.scenes, at.objects]] - now
        still = retain.inputs[_free(retain)]
        return Wanted(
            torch.cat([inputs, still]),
            torch.cat([lost, lost.new_zeros(len(still), lost.shape[1])]),
            torch.cat(
                [_class_means(now, at.labels)[2], now.new_full((len(still),), self.background / max(1, len(still)))]
            ),
        )


@dataclass(frozen=True, eq=False)
class TokenTarget:
    """At a block whose positions are tokens of the picture, or these and queries alike.

    Attributes:
        mean: The mean residual stream of retained classes' tokens, each token by what it counts.
        before: The residual stream of retained scenes.
        forget: For each forgotten class what each token of the forget scenes counts; they add up to 1.
        retain: What each token of the retained scenes counts; they add up to 1.
    """

    mean: Float[Tensor, " d"]
    before: Float[Tensor, "n t d"]
    forget: Sequence[Float[Tensor, "k t"]]
    retain: Float[Tensor, "n t"]

    def away(self, forget: SceneSeen) -> Wanted:
        """The tokens by which queries know a forgotten class."""
        inputs, changes, weights = [], [], []
        for share in self.forget:
            rows = share > LEAST_ATTENTION / share.numel()
            mean = (share[..., None] * forget.outputs).sum((0, 1))
            inputs.append(forget.inputs[rows])
            changes.append((self.mean - mean).expand(int(rows.sum()), -1))
            weights.append(share[rows] / len(self.forget))
        return Wanted(torch.cat(inputs), torch.cat(changes), torch.cat(weights))

    def back(self, retain: SceneSeen) -> Wanted:
        """All tokens of retained scenes."""
        return Wanted(retain.inputs.flatten(0, 1), (self.before - retain.outputs).flatten(0, 1), self.retain.flatten())


def query_target(seen: SceneSeen, *, background: float, silence: float) -> QueryTarget:
    """Aim at a decoder's block, given the retained scenes' states there before the request.

    The aim is (1 - silence) · r + silence · b, with r the mean over the retained classes of the mean residual stream of
    their queries, and b the mean of the queries at no object.
    """
    at = seen.located
    before = seen.outputs[at.scenes, at.queries]
    most = int(at.objects.max()) + 1 if len(at.objects) else 1
    rows = torch.zeros(len(seen.inputs), most, dtype=torch.int64, device=before.device)
    rows[at.scenes, at.objects] = torch.arange(len(before), device=before.device)
    others, free = _class_means(before, at.labels)[0].mean(0), _free(seen)
    nothing = seen.outputs[free].mean(0) if bool(free.any()) else others
    return QueryTarget((1 - silence) * others + silence * nothing, before, rows, background)


def token_target(
    model: DetectionModel,
    site: Site,
    forget: SceneStates,
    retain: SceneStates,
    targets: Collection[int],
    *,
    generator: torch.Generator,
) -> TokenTarget:
    """Aim at a block of tokens, given the scenes before the request."""
    gone = [attention(model, site, forget, label, generator=generator) for label in sorted(targets)]
    staying = sorted({label for target in retain.targets for label in target.labels.tolist()})
    kept = [attention(model, site, retain, label, generator=generator) for label in staying]
    share = torch.stack([one / one.sum() for one in kept if one.sum() > 0]).mean(0)
    before = see(model, site, retain).outputs
    return TokenTarget(
        mean=(share[..., None] * before).sum((0, 1)),
        before=before,
        forget=[one / one.sum() for one in gone if one.sum() > 0],
        retain=(1 - EVERYWHERE) * share + EVERYWHERE / share.numel(),
    )


def attention(
    model: DetectionModel, site: Site, states: SceneStates, label: int, *, generator: torch.Generator
) -> Float[Tensor, "n t"]:
    """Sensitivity of the queries at the objects of one class to each token after a site's block.

    Σ ‖∂(vᵀz)/∂h_t‖² with z the features of these queries and v random signs: on average that is ‖∂z/∂h_t‖² in the
    Frobenius norm (Hutchinson's estimator). So no token's place in the picture need be known. Zero in scenes without
    such an object.
    """
    parts = []
    for part in states.batches():
        with torch.enable_grad():
            hidden = part.hidden.detach().requires_grad_(True)
            _, stream, output = watch(model, site, hidden, part.entry)
            rows = [
                (i, query)
                for i, (target, match) in enumerate(zip(part.targets, locate(output, part.targets, model), strict=True))
                for query in match.queries[target.labels[match.objects] == label].tolist()
            ]
            layer = model.layer(site.layer)
            if not rows:
                parts.append(layer.outputs(torch.zeros_like(stream), len(part)).sum(-1))
                continue
            scenes, queries = (torch.tensor(column) for column in zip(*rows, strict=True))
            features = output.features[scenes, queries]
            signs = torch.randint(0, 2, tuple(features.shape), generator=generator).to(features) * 2 - 1
            (slope,) = torch.autograd.grad((features * signs).sum(), stream)
        parts.append(layer.outputs(slope, len(part)).square().sum(-1).detach())
    return torch.cat(parts)


def _free(seen: SceneSeen) -> Bool[Tensor, "n q"]:
    """Mask of the queries that stand at no object."""
    free = torch.ones(seen.inputs.shape[:2], dtype=torch.bool, device=seen.inputs.device)
    free[seen.located.scenes, seen.located.queries] = False
    return free


def _class_means(
    values: Float[Tensor, "m d"], labels: Int[Tensor, " m"]
) -> tuple[Float[Tensor, "classes d"], Int[Tensor, " m"], Float[Tensor, " m"]]:
    """Mean of each class that occurs, each row's number among them, what rows count so that classes do alike."""
    _, numbers = labels.to(values.device).unique(return_inverse=True)
    counts = numbers.bincount()
    sums = values.new_zeros(len(counts), values.shape[1]).index_add_(0, numbers, values)
    return sums / counts[:, None], numbers, (1 / (len(counts) * counts[numbers])).to(values.dtype)
