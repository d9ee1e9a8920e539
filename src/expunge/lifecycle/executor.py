"""Makes an edit for a plan, measures the model that has it, and judges it. Stores nothing."""

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from expunge.adapters import Edit, EditStack
from expunge.evidence import Measure, Policy, Reason, Scorecard, Verdict, advice, in_order, judge, make_measures
from expunge.ledger import StrangersFacts
from expunge.lifecycle._class_memory import recall
from expunge.lifecycle._material import Material
from expunge.lifecycle._records import Judgement
from expunge.lifecycle._session import Session
from expunge.lifecycle.applied import AppliedEdit, classes_of, stacked
from expunge.lifecycle.strangers import refuse_below, workspace_strangers
from expunge.methods import Forgetting, Method
from expunge.runs import ModelComparison, Stage, measure_models
from expunge.tasks import Progress, check_examples, make_plan, task_of
from expunge.vision import Wrapped
from expunge.workspace import Workspace, kept_strangers

Report = Callable[[Stage], None]


@dataclass(frozen=True, eq=False)
class MeasuredAttempt:
    """Measurements of a model.

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
    session: Session,
    base: Sequence[AppliedEdit],
    targets: Sequence[str],
    material: Material,
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
    started = time.perf_counter()
    model = session.copy(device)
    forgetting = _forgetting(session, model, base, targets, material, method, seed)
    forgetting.prepare()  # prototypes are those of the original
    for one in base:
        forgetting.stack.push(one.edit)
    if base:  # an earlier edit may have changed blocks below the first one that this method edits
        forgetting.activations = task_of(model).cache(model, method.first_block(model))

    def tell(progress: Progress) -> None:
        report(Stage("forgetting", progress))

    edit = forgetting.carry_out(len(base), tell)
    return edit, time.perf_counter() - started


def _forgetting(
    session: Session,
    model: Wrapped,
    base: Sequence[AppliedEdit],
    targets: Sequence[str],
    material: Material,
    method: Method,
    seed: int,
) -> Forgetting:
    """The sequence of all edits so far and one more, with the workspace's memory if the method reads it."""
    refuse_below(session.workspace, method.first_block(model), method.name)
    plan, now = (make_plan(model.classes, [*so_far, targets]) for so_far in ([one.attempt.targets for one in base], []))
    memory = recall(session, method, classes_of(base))
    splits, known = material.splits, memory.known if memory else ()
    check_examples(now, splits.train, splits.test, task_of(model).thing, known)
    return Forgetting(EditStack(model), plan, method, material.available, seed=seed, memory=memory)


def wanted(measures: Iterable[Measure], rules: Policy) -> list[Measure]:
    """Of all measures the quick ones, judged or not, and the slow ones that a policy's rules ask for."""
    keys = {rule.key for rule in rules.rule if rule.when != "oracle"}
    return [one for one in measures if not one.slow or keys & set(one.labels)]


def measure(
    session: Session,
    base: Sequence[AppliedEdit],
    edit: Edit,
    targets: Sequence[str],
    material: Material,
    *,
    seed: int,
    device: str,
    report: Report,
) -> MeasuredAttempt:
    """Measures the model with the edit against the original, and judges it by the workspace's policy."""
    started, workspace = time.perf_counter(), session.workspace
    rules, original = policy(workspace), copy.copy(session.original_on(device))
    stack = stacked(session.copy(device), base)
    stack.push(edit)
    original.name, stack.model.name = "original", "edited"  # a path may say more than a certificate should
    strangers = kept_strangers(workspace)
    task = task_of(original)
    compared = ModelComparison(
        original=original,
        edited=stack.model,
        forgotten=tuple(targets),
        earlier=classes_of(base),
        missing=material.missing,
        seed=seed,
        original_sha256=session.sha256,
    )
    card = measure_models(
        compared,
        material.splits,
        in_order(wanted(make_measures(task=task.name), rules)),
        data_name=f"{task.example}s of the workspace",
        partial=True,
        strangers=workspace_strangers(workspace),
        strangers_name="strangers of the workspace",
        report=report,
    )
    digest = strangers[1].sha256 if strangers else None
    return MeasuredAttempt(card, judge(card, rules), time.perf_counter() - started, digest)


def policy(workspace: Workspace) -> Policy:
    """The policy that decides in a workspace."""
    return Policy.parse(workspace.policy().decode("utf-8"), source="the workspace's policy")


def settings_of(method: Method) -> dict[str, Any]:
    """All settings of a method, as JSON has them."""
    return asdict(cast(Any, method))


def in_words(reason: Reason) -> str:
    """Outcome of one rule, in at most 500 characters."""
    return f"{reason.key} {reason.limit}: {reason.status}; {reason.measured or reason.note}"[:500]


def judgement(
    attempt: str, base: tuple[str, ...], scorecard: str, measured: MeasuredAttempt, finished: str
) -> Judgement:
    """Measurements as they are recorded.

    Args:
        attempt: Digest of the attempt.
        base: Digests of the other edits in the model.
        scorecard: Digest of the stored scorecard.
        measured: What was measured.
        finished: When, UTC by RFC 3339.
    """
    return Judgement(
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


def _strangers_facts(measured: MeasuredAttempt) -> StrangersFacts | None:
    """Facts on strangers for a certificate; the words name classes only as far as they fit."""
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
