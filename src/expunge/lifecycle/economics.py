"""Break-even with retraining, or with merging all edits for good: arithmetic on measured seconds and given prices."""

from dataclasses import dataclass

from expunge.lifecycle._records import Attempt, Judgement, recorded
from expunge.workspace import State, Workspace


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices that the user knows.

    Attributes:
        retrain_hours: Hours of one retraining without the forgotten classes.
        price_per_hour: Of the machine, in any currency; the same for edits and retraining.
        requests_per_month: How many are expected.
    """

    retrain_hours: float
    price_per_hour: float
    requests_per_month: float


@dataclass(frozen=True, slots=True)
class Economics:
    """The arithmetic.

    Attributes:
        requests: How many edits were measured.
        seconds_per_request: Mean of what one took, edits that were tried in vain and evidence included.
        edit_bytes: What the stored edits of released requests take; compaction would free it and end all undoing.
        price_per_request: seconds_per_request / 3600 · price_per_hour.
        price_per_month: price_per_request · requests_per_month.
        price_of_retraining: retrain_hours · price_per_hour.
        break_even: Requests whose edits cost as much as one retraining; None where edits cost nothing.
        months: Months until then; None where that never comes.
    """

    requests: int
    seconds_per_request: float
    edit_bytes: int
    price_per_request: float
    price_per_month: float
    price_of_retraining: float
    break_even: float | None
    months: float | None


def economics(workspace: Workspace, prices: Prices) -> Economics | None:
    """Costs of the edits here against those of retraining; None before the first one.

    A retraining carries out all requests that wait for it at once. So it pays in money once as many come together as
    `break_even`, if the time limits let them wait that long.
    """
    spent = [_seconds(workspace, request.id) for request in workspace.requests()]
    spent = [seconds for seconds in spent if seconds]
    if not spent:
        return None
    mean = sum(spent) / len(spent)
    each = mean / 3600 * prices.price_per_hour
    retraining = prices.retrain_hours * prices.price_per_hour
    even = prices.retrain_hours * 3600 / mean
    return Economics(
        requests=len(spent),
        seconds_per_request=mean,
        edit_bytes=sum(_bytes(workspace, one.id) for one in workspace.requests(State.RELEASED)),
        price_per_request=each,
        price_per_month=each * prices.requests_per_month,
        price_of_retraining=retraining,
        break_even=even,
        months=even / prices.requests_per_month if prices.requests_per_month else None,
    )


def _seconds(workspace: Workspace, request: str) -> float:
    """Seconds of one request; an edit that several share is divided among them."""
    attempts = recorded(workspace, request, Attempt)
    share = len(attempts[0][1].requests) if attempts else 1
    judged = recorded(workspace, request, Judgement)
    return sum(one.seconds for _, one in (*attempts, *judged)) / share


def _bytes(workspace: Workspace, request: str) -> int:
    rows = [row for row in workspace.artefact_records(request) if row.role == "edit"]
    return (rows[-1].bytes or 0) if rows else 0
