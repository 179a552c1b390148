"""Names our options and commands to people who type those of kubectl, Helm or Terraform."""

from __future__ import annotations

import re

from typer._click.exceptions import ClickException, NoSuchOption, UsageError  # typer vendors it

APPLY = "use `penguin apply -f FILE`"
EDIT = (
    "use `penguin get tenant/NAME -o yaml > FILE`, change the document in the file, then "
    "`penguin apply -f FILE`"
)
TENANTS = "use --tenant NAME; without it a list has all tenants that the key may see"
CONNECTION = "set PENGUIN_API_URL and PENGUIN_API_KEY"
NO_FORCE = "leave it out: no command has to be forced"
ALONE = "leave it out"
PRUNE = "use `penguin delete tenant/NAME` for each tenant that is no longer wanted"
DEPTH = "leave it out: directories are always read in depth"
EACH = "name each file, or their directory, by a -f of its own"
DRY_RUN = "use `penguin diff -f FILE`, or `penguin apply --dry-run=server -f FILE`"
FORMAT = "use -o json and `jq`"
BY_NAME = "name the resource, such as tenant/NAME"
COMMANDS = {
    "create": APPLY,
    "replace": APPLY,
    "install": APPLY,
    "upgrade": APPLY,
    "edit": EDIT,
    "patch": EDIT,
    "set": EDIT,
    "update": APPLY,
    "deploy": APPLY,
    "reconcile": "use `penguin apply -f FILE`, which also asks for another pass",
    "undo": "use `penguin apply -f FILE` with the earlier document",
    "rollback": "use `penguin apply -f FILE` with the earlier document",
    "history": "use `penguin events NAME`",
    "watch": "use `penguin get KIND -w`",
    "suspend": "use `penguin pause NAME`",
    "export": "use `penguin get tenants -o yaml`",
    "scale": EDIT,
    "autoscale": EDIT,
    "label": EDIT,
    "annotate": EDIT,
    "plan": "use `penguin diff -f FILE`",
    "validate": "use `penguin apply --dry-run=client -f FILE`",
    "lint": "use `penguin apply --dry-run=client -f FILE`",
    "template": "use `penguin render -f FILE`",
    "kustomize": "use `kustomize build DIRECTORY | penguin apply -f -`",
    "destroy": "use `penguin delete tenant/NAME`",
    "uninstall": "use `penguin delete tenant/NAME`",
    "remove": "use `penguin delete tenant/NAME`",
    "rm": "use `penguin delete tenant/NAME`",
    "list": "use `penguin get tenants`",
    "ls": "use `penguin get tenants`",
    "show": "use `penguin describe tenant/NAME`",
    "status": "use `penguin get tenants`, or `penguin describe tenant/NAME`",
    "rollout": "use `penguin wait NAME`, `penguin pause NAME` and `penguin resume NAME`",
    "cordon": "use `penguin stop tenant NAME`",
    "drain": "use `penguin stop tenant NAME`",
    "uncordon": "use `penguin start tenant NAME`",
    "api-resources": "see `penguin get --help`",
    "api-versions": "use `penguin schema tenant`",
    "cluster-info": "use `penguin servers status`, or GET /api/v1/health",
    "auth": "use `penguin keys`",
    "config": CONNECTION,
    "login": CONNECTION,
    "help": "use `penguin --help`",
}
OPTIONS = {
    "-n": TENANTS,
    "--namespace": TENANTS,
    "-A": TENANTS,
    "--all-namespaces": TENANTS,
    "--all": "name one resource at a time; `penguin get tenants` lists them",
    "-k": COMMANDS["kustomize"],
    "--kustomize": COMMANDS["kustomize"],
    "-f": BY_NAME,
    "--filename": BY_NAME,
    "-l": "use `penguin get tenants -l KEY=VALUE`",
    "--selector": "use `penguin get tenants --selector KEY=VALUE`",
    "--show-labels": FORMAT,
    "-w": "use `penguin get KIND -w` or `penguin describe KIND/NAME -w`",
    "--watch": "use `penguin get KIND -w` or `penguin describe KIND/NAME -w`",
    "--wait": "use `penguin wait NAME`",
    "--force": NO_FORCE,
    "--server-side": "leave it out: every apply is done by the control plane",
    "--force-conflicts": NO_FORCE,
    "--overwrite": NO_FORCE,
    **dict.fromkeys(("--prune", "--prune-allowlist", "--prune-whitelist", "--applyset"), PRUNE),
    **dict.fromkeys(("-R", "--recursive"), DEPTH),
    **dict.fromkeys(("--field-manager", "--save-config", "--record", "--request-timeout"), ALONE),
    **dict.fromkeys(("--show-managed-fields", "--chunk-size", "--show-kind", "--export"), ALONE),
    "--validate": "leave it out: every document is validated",
    "--dry-run": DRY_RUN,
    "--grace-period": "leave it out: queued mail is dropped, and servers are removed at once",
    "--now": "leave it out: servers are removed at once",
    "--cascade": "leave it out: everything of the tenant is removed",
    "--ignore-not-found": "use `penguin get tenant/NAME` before, and its exit code",
    "--no-headers": FORMAT,
    "--sort-by": FORMAT,
    "--field-selector": FORMAT,
    "--template": FORMAT,
    "--tail": "use `penguin logs NAME | tail`",
    "--since": "use `penguin events NAME`",
    "--context": CONNECTION,
    "--kubeconfig": CONNECTION,
    "-s": CONNECTION,
    "--server": CONNECTION,
    "--token": CONNECTION,
    **dict.fromkeys(("--user", "--cluster", "--as"), CONNECTION),
    "--auto-approve": "use --yes",
    "--yes": "leave it out: this command does not ask",
    "-y": "leave it out: this command does not ask",
    "-i": "leave it out: without --yes it asks",
    "--interactive": "leave it out: without --yes it asks",
    "--previous": "use `penguin get operations` and `penguin logs ID`",
    "-p": "use `penguin get operations` and `penguin logs ID`",
    "--since-time": "use `penguin events NAME`",
    "--version": "use `penguin version`",
    "-h": "use --help",
    "-v": "leave it out: progress and errors are always printed",
    "--verbose": "leave it out: progress and errors are always printed",
}
FORMATS = {
    "wide": "use -o table, which shows what fits the terminal, or -o yaml, which shows all",
    "name": "use `-o json | jq -r '.[].name'`",
    "kyaml": "use -o yaml",
    **dict.fromkeys(("jsonpath", "go-template", "template", "custom-columns"), FORMAT),
}
"""By the beginning of the format."""
READERS = ("apply", "diff")
"""Commands with no argument but the files of `-f`."""


def remedy(error: ClickException) -> str | None:
    """Return our way to do what an unknown command, option or format does elsewhere."""
    message = error.format_message()
    if isinstance(error, NoSuchOption):
        return OPTIONS.get(error.option_name)
    if found := re.search(r"No such command '([^']*)'", message):
        is_of_group = isinstance(error, UsageError) and error.ctx and error.ctx.parent
        return None if is_of_group else COMMANDS.get(found[1])
    if found := re.search("'-o': .*?'([^']*)'", message):
        return next((ours for name, ours in FORMATS.items() if found[1].startswith(name)), None)
    if found := re.search(r"Option '(.*)' does not take a value", message):
        return f"write {found[1]} alone, or leave it out"
    if "'--dry-run' requires an argument" in message:
        return "write --dry-run=client or --dry-run=server"
    if "Missing option '--filename'" in message:
        return "name files by -f"
    reads_files = isinstance(error, UsageError) and error.ctx and error.ctx.info_name in READERS
    return EACH if reads_files and "extra argument" in message else None
