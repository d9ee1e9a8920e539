"""Systems that are not POSIX: without `fcntl`, `resource` and some names of `os`, every module is still imported."""

import subprocess
import sys
from importlib.util import find_spec

ELSEWHERE = """
import importlib, os, pkgutil, sys

MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
for name in MODULES:
    sys.modules[name] = None
for name in ("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fork", "geteuid", "getuid", "sched_getaffinity"):
    vars(os).pop(name, None)

import expunge
from expunge.errors import MissingExtraError

for module in pkgutil.walk_packages(expunge.__path__, "expunge."):
    if module.name.endswith("__main__"):
        continue  # it runs when it is imported
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if error.name in MODULES or error.name.startswith("expunge"):
            raise
        continue  # an extra that is not installed here
    except MissingExtraError:
        continue
    print(module.name)
"""


def test_every_module_is_imported_without_what_only_posix_has() -> None:
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert {"expunge.cli.app", "expunge.ledger.folder", "expunge.workspace.intake"} <= imported
    if find_spec("torch"):
        assert {"expunge.bench._locks", "expunge.bench._memory"} <= imported
