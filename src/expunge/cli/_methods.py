"""`expunge methods`."""

from rich.table import Table

from expunge.cli._console import output


def methods() -> None:
    """List the installed methods, one line each, with their source; (auto) marks the one that is taken by default.

    The column "for" says what the models do that a method works on: "every task", or the names of its tasks.

    Example: expunge methods
    """
    from expunge.methods import method_class, method_names, method_presets, method_tasks
    from expunge.tasks import find_task, task_names

    table = Table(box=None, pad_edge=False)
    for heading in ("method", "for", "what it does", "source", "presets"):
        table.add_column(heading, no_wrap=heading == "method")
    for name in method_names():
        tasks = method_tasks(name)
        found = method_class(name, task=tasks[0])
        shown = f"{name} (auto)" if any(find_task(task).auto == name for task in tasks) else name
        kinds = "every task" if tasks == task_names() else ", ".join(tasks)
        table.add_row(shown, kinds, found.summary, found.source, ", ".join(method_presets(name, task=tasks[0])))
    output.print(table)
