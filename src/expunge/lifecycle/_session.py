"""One command on a workspace: its original model is loaded and hashed once, and every model in use is made of it."""

import copy
from dataclasses import dataclass
from functools import cached_property

from expunge.lifecycle.applied import pristine
from expunge.vision import Wrapped, choose_device
from expunge.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Session:
    """What the steps of one command share.

    Attributes:
        workspace: The workspace.
    """

    workspace: Workspace

    @cached_property
    def original(self) -> Wrapped:
        """The original model, on the CPU; loaded when it is first asked for. Nobody changes it.

        Raises:
            DamagedWorkspaceError: What lies at its source is another model now.
            ModelError: It cannot be loaded.
        """
        return pristine(self.workspace)

    @cached_property
    def sha256(self) -> str:
        """Digest of the original, which was held against the recorded one when it was loaded."""
        original = self.original
        return self.workspace.settings.model.sha256 or original.digest()

    def original_on(self, device: str) -> Wrapped:
        """The original where it is to run; nobody changes it."""
        return self.original if choose_device(device).type == "cpu" else self.copy(device)

    def copy(self, device: str = "cpu") -> Wrapped:
        """The original once more, to be edited."""
        return copy.deepcopy(self.original).to(choose_device(device))
