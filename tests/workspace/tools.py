"""What the tests of the workspace share."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image

from expunge.ledger import check
from expunge.workspace import Actor, Role, Runner, State, Workspace

CLASSES = ("amber", "blue", "coral")
JANE, PAUL = Actor("jane"), Actor("paul")
ROBOT = Actor("robot", Role.RUNNER)


class TurnableClock:
    """A clock that only moves when it is told to."""

    def __init__(self, start: datetime = datetime(2026, 1, 31, 9, tzinfo=UTC)) -> None:
        self.time = start

    def __call__(self) -> datetime:
        return self.time

    def turn(self, **by: int) -> None:
        self.time += timedelta(**by)


def write_images(folder: Path, count: int = 3, shade: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (6, 5), (shade, number, 7)).save(folder / f"{number}.png")
    return folder


def ledger_entries(workspace: Workspace) -> list[dict]:
    """The ledger as plain JSON, read without our own parser."""
    with workspace.ledger_storage() as storage:
        return [json.loads(line) for line in storage.entries()]


def states_by_ledger(workspace: Workspace) -> dict[str, str]:
    """Where every request stands, by what the ledger says alone. Each move must begin where the last one ended."""
    states: dict[str, str] = {}
    for entry in ledger_entries(workspace):
        facts = entry["facts"]
        if facts["kind"] == "state" and entry["request"] is not None:
            assert states.get(entry["request"]) == facts["before"]
            states[entry["request"]] = facts["after"]
    return states


def assert_sound(workspace: Workspace) -> None:
    """The ledger verifies, the tables say what it says, and images lie where a request needs them and nowhere else."""
    with workspace.ledger_storage() as storage:
        report = check(storage)
        assert report.ok, report.problems
        assert report.size == storage.size()
    assert workspace.disagreements() == ()
    requests = workspace.requests()
    assert {request.id: str(request.state) for request in requests} == states_by_ledger(workspace)
    entries = ledger_entries(workspace)
    for request in requests:
        moves = [e for e in entries if e["request"] == request.id and e["facts"]["kind"] == "state"]
        assert [(move.seq, move.before, move.after) for move in workspace.moves(request.id)] == [
            (entry["seq"], entry["facts"]["before"], entry["facts"]["after"]) for entry in moves
        ]
        facts = [e["facts"] for e in entries if e["request"] == request.id]
        destroyed = [one for one in facts if (one["kind"], one.get("what")) == ("destruction", "forget-images")]
        assert len(destroyed) == (request.destroyed is not None)
        if request.destroyed is None:
            assert sum(map(len, workspace.images(request.id).values())) == request.images
    kept = {path.name for path in (workspace.path / "quarantine").iterdir()}
    assert kept == {request.id for request in requests if request.destroyed is None}


def to_measured(workspace: Workspace, request: str) -> None:
    """Brings a request that was just received to the point where somebody decides on its release."""
    workspace.move(request, State.ACCEPTED, JANE)
    with Runner(workspace) as runner:
        plan = runner.claim_next()
        assert plan is not None
        runner.move(plan, State.RUNNING)
        runner.move(plan, State.MEASURED)
        runner.finish(plan)


def to_released(workspace: Workspace, request: str) -> None:
    to_measured(workspace, request)
    workspace.move(request, State.APPROVED, JANE)
    workspace.move(request, State.RELEASED, PAUL)
