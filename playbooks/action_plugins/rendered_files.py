# ruff: noqa: INP001 - Ansible loads plugins from a directory without a package
"""Renders a set of templates on the controller and writes them to the host in one module call.

A task costs a third of a second, most of it starting Python on the host; a host with three
addresses has some thirty files. One call instead of thirty keeps a whole run below ten seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template


class ActionModule(ActionBase):
    """`sets`: list of {files: [...], for_each: [...]}; `prune` is passed on unchanged.

    Each file has `path`, `owner`, `group`, `mode` and one of `src` (a template of the role),
    `content`, `link` or `state` (`directory`, `absent`). With `for_each` the files are repeated
    for every element: templates see it as `item`, and `{key}` in `path` is its value.
    """

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Render, then run the module of the same name on the host."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        files = [
            self._file_entry(file, item, variables)
            for group in self._task.args.get("sets", [])
            for item in group.get("for_each", [{}])
            for file in group["files"]
        ]
        arguments = {"files": files, "prune": self._task.args.get("prune", [])}
        result.update(
            self._execute_module(
                module_name="rendered_files", module_args=arguments, task_vars=variables
            )
        )
        return result

    def _file_entry(
        self, file: dict[str, Any], item: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        entry = {key: value for key, value in file.items() if key != "src"}
        try:
            entry["path"] = str(file["path"]).format_map(item)
        except KeyError as error:
            raise AnsibleActionFail(f"{file['path']}: the item has no {error}") from error
        if "src" in file:
            entry["content"] = self._render(str(file["src"]), {**variables, "item": item})
        return entry

    def _render(self, source: str, variables: dict[str, Any]) -> str:
        path = self._find_needle("templates", source)
        template = trust_as_template(Path(path).read_text(encoding="utf-8"))
        templar = self._templar.copy_with_new_env(
            searchpath=[str(Path(path).parent), str(Path(variables["playbook_dir"]) / "templates")],
            available_variables=variables,
        )
        rendered = templar.template(
            template,
            escape_backslashes=False,
            overrides={"trim_blocks": True, "lstrip_blocks": True, "newline_sequence": "\n"},
        )
        return "" if rendered is None else str(rendered)
