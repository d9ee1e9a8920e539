"""Which kind of model a workspace is on."""

from expunge.lifecycle.classifiers import Classifiers
from expunge.lifecycle.kind import Kind
from expunge.workspace import Workspace
from expunge.workspace.settings import DETECTION


def kind_of(workspace: Workspace) -> Kind:
    """The kind of a workspace's model, as `workspace.json` says; whoever loads the model makes sure of it."""
    return kind_named(workspace.settings.model.task)


def kind_named(task: str | None) -> Kind:
    """The kind of model for a task: "detection", or None for classification."""
    if task != DETECTION:
        return Classifiers()
    from expunge.lifecycle.detectors import Detectors  # only who has a detector pays for it

    return Detectors()
