"""Makes an edit for a plan, measures the model that has it, and judges it. Stores nothing."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from expunge.adapters import Edit
from expunge.evidence.advice import advice
from expunge.evidence.policy import Policy
from expunge.evidence.scorecard import Scorecard
from expunge.evidence.verdict import Reason, Verdict, judge
from expunge.ledger import StrangersFacts
from expunge.lifecycle.kind import Report
from expunge.lifecycle.kinds import kind_of
from expunge.lifecycle.material import Material
from expunge.lifecycle.records import Judged
from expunge.lifecycle.standing import Standing, classes_of, pristine, stacked
from expunge.methods import Method
from expunge.runs.run import Stage
from expunge.tasks.request import Progress
from expunge.workspace import Workspace
from expunge.workspace.strangers import kept_strangers


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a model.

    Attributes:
        scorecard: The numbers.
        verdict: What the policy says of them.
        seconds: How long it took.
        strangers: Digest of the strangers' images; None where there were none.
    """

    scorecard: Scorecard
    verdict: Verdict
    seconds: float
    strangers: str | None = None


def make_edit(
    workspace: Workspace,
    base: Sequence[Standing],
    targets: Sequence[str],
    material: Material[Any, Any],
    method: Method,
    *,
    seed: int,
    device: str,
    report: Report,
) -> tuple[Edit, float]:
    """Makes the edit that forgets `targets` on top of the edits that stand; also says how many seconds it took.

    Raises:
        RequestError: The targets cannot be forgotten: another edit has them already, or nothing would stay.
        DataError: A target has nothing to learn from, or nothing to be tested with.
        ClassMemoryError: The workspace's memory is missing or damaged, or is not for this model or method.
    """
    started, kind = time.perf_counter(), kind_of(workspace)
    model = pristine(workspace, device)
    forgetting = kind.forgetting(workspace, model, base, targets, material, method, seed)
    forgetting.prepare()  # prototypes are those of the original
    for one in base:
        forgetting.stack.push(one.edit)
    if base:  # an earlier edit may have changed blocks below the first one that this method edits
        forgetting.activations = kind.states(model, cast(Any, method).first_block(model))

    def tell(progress: Progress) -> None:
        report(Stage("forgetting", progress))

    edit = forgetting.carry_out(len(base), tell)
    return edit, time.perf_counter() - started


def measure(
    workspace: Workspace,
    base: Sequence[Standing],
    edit: Edit,
    targets: Sequence[str],
    material: Material[Any, Any],
    *,
    seed: int,
    device: str,
    report: Report,
) -> Measured:
    """Measures the model with the edit against the original, and judges it by the workspace's policy."""
    started, rules = time.perf_counter(), policy(workspace)
    original, stack = pristine(workspace, device), stacked(pristine(workspace, device), base)
    stack.push(edit)
    original.name, stack.model.name = "original", "edited"  # a path may say more than a certificate should
    strangers = kept_strangers(workspace)
    card = kind_of(workspace).measure(
        workspace,
        original,
        stack.model,
        material,
        rules,
        targets=targets,
        earlier=classes_of(base),
        seed=seed,
        report=report,
    )
    digest = strangers[1].sha256 if strangers else None
    return Measured(card, judge(card, rules), time.perf_counter() - started, digest)


def policy(workspace: Workspace) -> Policy:
    """The policy that decides in a workspace."""
    return Policy.parse(workspace.policy().decode("utf-8"), source="the workspace's policy")


def settings_of(method: Method) -> dict[str, Any]:
    """All settings of a method, as JSON has them."""
    return asdict(cast(Any, method))


def in_words(reason: Reason) -> str:
    """What one rule came to, in at most 500 characters."""
    return f"{reason.key} {reason.limit}: {reason.status}; {reason.measured or reason.note}"[:500]


def judged(attempt: str, base: tuple[str, ...], scorecard: str, measured: Measured, finished: str) -> Judged:
    """What was measured, as it is recorded.

    Args:
        attempt: Digest of the attempt.
        base: Digests of the other edits in the model.
        scorecard: Digest of the stored scorecard.
        measured: What was measured.
        finished: When, UTC by RFC 3339.
    """
    return Judged(
        attempt=attempt,
        base=base,
        model=measured.scorecard.edited.sha256,
        scorecard=scorecard,
        outcome=measured.verdict.outcome,
        reasons=tuple(map(in_words, measured.verdict.reasons)),
        finished=finished,
        seconds=measured.seconds,
        strangers=_strangers_facts(measured),
        advice=advice(measured.scorecard, measured.verdict, bring="expunge add-strangers SOURCE"),
    )


def _strangers_facts(measured: Measured) -> StrangersFacts | None:
    """What a certificate says of the strangers; the words name classes only as far as they fit."""
    found = measured.scorecard.strangers
    if found is None:
        return None
    return StrangersFacts(
        count=found.classes,
        images=found.images,
        sha256=measured.strangers,
        finding=found.finding,
        words=found.words[:500],
    )
