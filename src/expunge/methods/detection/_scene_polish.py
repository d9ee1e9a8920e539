"""The polish for detectors: a few steps of Adam after the closed form has solved, against the class's own row.

A class whose row is struck is found by nobody. Whoever puts the row back asks how high it stands at objects of the
class above all others: average precision looks at the order of scores alone, however low they are. So the row is to say
at these objects what it says of those who stay, while features are held, there and elsewhere.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.methods.detection._scene_rows import BATCH, Located, SceneStates, joined, located_in
from expunge.vision.detection import DetectionModel


@dataclass(frozen=True, eq=False)
class SceneSaid:
    """Output of a detector for n scenes, query by query.

    Attributes:
        features: What the classifier is given.
        logits: What it makes of it.
        located: The queries at the objects.
    """

    features: Float[Tensor, "n q d"]
    logits: Float[Tensor, "n q rows"]
    located: Located

    @property
    def object_features(self) -> Float[Tensor, "m d"]:
        """Features of the queries at the objects."""
        return self.features[self.located.scenes, self.located.queries]

    @property
    def object_logits(self) -> Float[Tensor, "m rows"]:
        """Logits of the classifier for them."""
        return self.logits[self.located.scenes, self.located.queries]


@torch.no_grad()
def said_of(model: DetectionModel, states: SceneStates) -> SceneSaid:
    """Runs the detector from the cut on, once."""
    parts, where = [], []
    for number, part in enumerate(states.batches()):
        output = model.resume(part.hidden, part.entry)
        parts.append((output.features, output.logits))
        where.append(located_in(output, part.targets, model, number * BATCH))
    features, logits = (torch.cat(column) for column in zip(*parts, strict=True))
    return SceneSaid(features, logits, joined(where))


@dataclass(frozen=True, eq=False)
class Going:
    """Targets at the objects of forgotten classes.

    Attributes:
        states: The scenes, where they enter the lowest edited block.
        objects: (scene, query) -> row of the object that the query stands at, -1 for none.
        features: Where each object's features are to stay: where the closed form has put them.
        rows: Each object's class.
        wanted: What that class's row is to say of it.
        scale: How far above others the row stood at the class's objects before the request.
        weights: What each object counts, every class alike.
    """

    states: SceneStates
    objects: Int[Tensor, "n q"]
    features: Float[Tensor, "m d"]
    rows: Int[Tensor, " m"]
    wanted: Float[Tensor, " m"]
    scale: Float[Tensor, " m"]
    weights: Float[Tensor, " m"]

    def losses(self, chosen: Int[Tensor, " k"], features: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """For some scenes, how far rows are from what they are to say, and features from where they are to stay.

        The first is 1 for the detector before the request, on average, and 0 where it is as wanted.
        """
        at = self.objects[chosen]
        scenes, queries = (at >= 0).nonzero(as_tuple=True)
        objects = at[scenes, queries]
        shares = self.weights[objects] / self.weights[objects].sum().clamp_min(_TINY)
        said = logits[scenes, queries, self.rows[objects]]
        off = ((said - self.wanted[objects]) / self.scale[objects]).square()
        moved = (features[scenes, queries] - self.features[objects]).square().mean(1)
        return (shares * off).sum(), (shares * moved).sum()


@dataclass(frozen=True, eq=False)
class Staying:
    """Targets of scenes that stay: that all queries are given to the classifier as before.

    Attributes:
        states: The scenes, where they enter the lowest edited block.
        features: What the classifier was given before the request.
        weights: What each query counts.
    """

    states: SceneStates
    features: Float[Tensor, "n q d"]
    weights: Float[Tensor, "n q"]

    def loss(self, chosen: Int[Tensor, " k"], features: Tensor) -> Tensor:
        """For some scenes, how far queries have moved."""
        weights = self.weights[chosen]
        moved = (features - self.features[chosen]).square().mean(-1)
        return (weights * moved).sum() / weights.sum().clamp_min(_TINY)


_TINY = 1e-12


def going(states: SceneStates, before: SceneSaid, solved: SceneSaid, others: SceneSaid, margin: float) -> Going:
    """The lesson on forget scenes.

    With s_c(z) what row c says of features z, ō_c its mean over objects that stay, and g_c how far above that its mean
    over the class's own objects stood: the row is to say ō_c − margin · g_c. Where the row never stood out, g_c is the
    spread of what it says of others.

    Args:
        states: Scenes with what is forgotten, where they enter the lowest edited block.
        before: What the detector made of them before the request.
        solved: What it makes of them after the solve.
        others: What it made of scenes that stay before the request.
        margin: See above.
    """
    at, said = before.located, before.object_logits
    there = others.object_logits
    mean, spread = there.mean(0), there.std(0, correction=0)
    labels = at.labels.to(said.device)
    own = said.gather(1, labels[:, None])[:, 0]
    counts = labels.bincount(minlength=said.shape[1]).to(said)
    above = said.new_zeros(said.shape[1]).index_add_(0, labels, own) / counts.clamp_min(1) - mean
    scale = torch.maximum(above, spread).clamp_min(_TINY)[labels]
    objects = torch.full(before.features.shape[:2], -1, dtype=torch.int64, device=said.device)
    objects[at.scenes, at.queries] = torch.arange(len(labels), device=said.device)
    return Going(
        states=states,
        objects=objects,
        features=solved.features[at.scenes, at.queries],
        rows=labels,
        wanted=mean[labels] - margin * scale,
        scale=scale,
        weights=1 / counts[labels],
    )


def staying(states: SceneStates, before: SceneSaid, background: float) -> Staying:
    """The lesson on scenes that stay.

    Args:
        states: The scenes, where they enter the lowest edited block.
        before: What the detector made of them before the request.
        background: What all queries at no object count, beside 1 for all that stand at one.
    """
    at = before.located
    weights = before.features.new_ones(before.features.shape[:2])
    weights[at.scenes, at.queries] = 0.0
    weights *= background / weights.sum().clamp_min(1)
    weights[at.scenes, at.queries] = 1 / max(1, len(at.labels))
    return Staying(states, before.features, weights)
