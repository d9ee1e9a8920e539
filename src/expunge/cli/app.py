"""Puts the commands together and turns exceptions into exit codes."""

import logging
import sys
from collections.abc import Sequence

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from expunge.cli._bench import bench
from expunge.cli._calibrate import calibrate
from expunge.cli._certificate import certificate
from expunge.cli._console import errors
from expunge.cli._decide import approve, hold, reject, unhold
from expunge.cli._demo import demo
from expunge.cli._enroll import enroll
from expunge.cli._forget import forget
from expunge.cli._init import init
from expunge.cli._inspect import inspect
from expunge.cli._interrupt import heed_ctrl_c
from expunge.cli._log import log
from expunge.cli._log_options import log_options
from expunge.cli._measure import measure
from expunge.cli._methods import methods
from expunge.cli._release import release, rollback
from expunge.cli._report import report
from expunge.cli._run import run_
from expunge.cli._serve_check import serve_check
from expunge.cli._status import list_, show, status
from expunge.cli._strangers import add_strangers
from expunge.cli._submit import submit
from expunge.cli._verify import verify
from expunge.cli._version import version
from expunge.cli._zero_shot import zero_shot
from expunge.errors import AmbiguousTaskError, ExpungeError
from expunge.logs import tell

MODEL_PACKAGES = ("jaxtyping", "jinja2", "numpy", "safetensors", "torch", "transformers")
"""Packages of the extra `models`: keeping requests and verifying certificates does without."""

_LOG = logging.getLogger(__name__)
DONE, OUR_FAULT, UNUSABLE_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.callback()(log_options)
for command in (calibrate, demo, enroll, forget, inspect, measure, methods, verify, version):
    app.command()(command)
app.command("zero-shot")(zero_shot)
for command in (
    *(init, add_strangers, submit, show, approve, reject, hold, unhold),
    *(status, release, rollback, certificate, report),
):
    app.command(rich_help_panel="Requests in a workspace")(command)
app.command("list", rich_help_panel="Requests in a workspace")(list_)
app.command("run", rich_help_panel="Requests in a workspace")(run_)
app.command("serve-check", rich_help_panel="Requests in a workspace")(serve_check)
app.add_typer(bench, name="bench")
app.add_typer(log, name="log")


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        with heed_ctrl_c():
            code = app(args=arguments, standalone_mode=False)
    except ExpungeError as error:
        tell(_LOG, "ended", level=logging.ERROR, error=type(error).__name__)
        several = isinstance(error, AmbiguousTaskError)
        errors.print(
            f"[bold red]error:[/] {escape(f'{error.found}; say which: --task NAME' if several else str(error))}"
        )
        return UNUSABLE_INPUT
    except (typer.Abort, KeyboardInterrupt):
        errors.print("[yellow]interrupted[/]")
        return INTERRUPTED
    except TyperException as error:
        errors.print(f"[bold red]error:[/] {escape(error.format_message())} --help shows what is expected.")
        return UNUSABLE_INPUT
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in MODEL_PACKAGES:
            needed = f"[bold red]error:[/] this command runs models and needs {error.name}."
            errors.print(f'{needed} Run: pip install "expunge\\[models]"', soft_wrap=True)
            return UNUSABLE_INPUT
        tell(_LOG, "ended", level=logging.CRITICAL, error=type(error).__name__)
        errors.print_exception()
        errors.print("[bold red]This is a fault in expunge.[/] Please report it with the lines above.")
        return OUR_FAULT
    return code if isinstance(code, int) else DONE


def main() -> None:
    """The `expunge` command."""
    sys.exit(run())
