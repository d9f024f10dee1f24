"""docs/cli.md from the command itself: ``python -m tests.support.command_page`` renews it below its marker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from ocdp_operator.cli.app import program

PAGE: Final = Path(__file__).parents[2] / "docs" / "cli.md"
MARKER: Final = "<!-- from here on made by: python -m tests.support.command_page -->\n"
_COMMON: Final = ("--help", "--kubeconfig", "--context", "--namespace", "--dsn", "--output")


def page(text: str) -> str:
    """The page with its second part made anew."""
    return text.partition(MARKER)[0] + MARKER + "\n" + "\n".join(_parts()) + "\n"


def commands() -> Iterator[tuple[str, Any]]:
    """``ocdp claim create`` and so on, each with its command."""
    yield from _below("ocdp", typer.main.get_command(program()))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, each in getattr(command, "commands", {}).items():
        if getattr(each, "commands", None):
            yield from _below(f"{path} {name}", each)
        else:
            yield f"{path} {name}", each


def _parts() -> Iterator[str]:
    root: Any = typer.main.get_command(program())
    groups = {name: each for name, each in root.commands.items() if getattr(each, "commands", None)}
    yield "## ocdp\n"
    yield from _table({name: each for name, each in root.commands.items() if name not in groups}, "ocdp")
    for name, group in groups.items():
        yield f"\n## ocdp {name}\n\n{_one_line(group.help)}\n"
        yield from _table(group.commands, f"ocdp {name}")


def _table(found: dict[str, Any], path: str) -> Iterator[str]:
    yield "| command | does | options |\n|---|---|---|"
    for name, command in found.items():
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.opts[0] not in _COMMON]
        usage = " ".join((f"{path} {name}", *map(_argument, arguments)))
        yield f"| `{usage}` | {_one_line(command.help)} | {', '.join(map(_option, options)) or '-'} |"


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).strip("{}").upper().rstrip("_")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = "/".join((*parameter.opts[:1], *parameter.secondary_opts[:1]))
    return f"`{names}`" + (" (required)" if parameter.required else "")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
