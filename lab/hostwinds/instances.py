"""Actions on servers (documentation: server management)."""

from __future__ import annotations

from typing import Any

from lab.hostwinds import catalogue, documents
from lab.hostwinds.account import Power
from lab.hostwinds.actions import Actions, Change, Form, count, done, number, required, step
from lab.hostwinds.errors import ProviderError

ADD = "Add Instance"
PAID = "Invoice Paid"


class Instances(Actions):
    """One method per action."""

    def add_instance(self, form: Form) -> Any:
        try:
            location = int(form["location_id"])
        except (KeyError, ValueError):
            location = 0
        if location not in {entry["id"] for entry in catalogue.LOCATIONS}:
            raise ProviderError(ADD, "Location Id is invalid.", "342432")
        if form.get("template") not in {image["uuid"] for image in catalogue.IMAGES}:
            raise ProviderError(ADD, "Template is invalid.")
        if form.get("rid") not in catalogue.PLANS:
            raise ProviderError(ADD, "Resource Id is invalid.")
        cycle = catalogue.cycle(ADD, form.get("billingcycle") or "monthly")
        fails = self._account.fails
        if fails("payment_refused", "add_instance"):
            raise ProviderError(PAID, "The payment was declined.<br>")
        delivered = not fails("not_delivered", "add_instance")
        last = step("success", ADD, "Server is being Created!")
        if fails("late_error", "add_instance"):
            last = step("error", ADD, "Something went wrong.<br>")
        elif fails("late_unauthorized", "add_instance"):
            last = step("error", ADD, "Not Authorized!")

        def buy() -> None:
            for _ in range(count(form, "qty", 1)):
                self._account.order(
                    form.get("srvrname", ""),
                    form["rid"],
                    location,
                    form["template"],
                    cycle,
                    delivered=delivered,
                )

        return Change([step("success", PAID, "Invoice has been paid."), last], buy)

    def get_instances(self, form: Form) -> Any:
        if self._settings.key == "rotated":
            raise ProviderError("Get Instances", "A valid serviceid is required.")
        servers = self._account.visible()
        shown = [documents.instance(self._account, server) for server in servers]
        return documents.listing(self._account, shown)

    def get_instance(self, form: Form) -> Any:
        server = self._account.server("Get Instance", number(form, "Get Instance"))
        return documents.listing(self._account, documents.instance(self._account, server))

    def get_instance_ids(self, form: Form) -> Any:
        if self._settings.key == "rotated":
            raise ProviderError("Get Instance Ids", "A valid serviceid is required.")
        found = [
            documents.short(self._account, server)
            for server in self._account.visible()
            if form.get("search", "") in f"{server.srvrname} {' '.join(server.ips)}"
            and form.get("location_id", str(server.location_id)) == str(server.location_id)
        ]
        page, limit = count(form, "page", 1), count(form, "limit", 100)
        return documents.listing(self._account, found[(page - 1) * limit : page * limit])

    def check_serviceid(self, form: Form) -> Any:
        self._account.server("Check Serviceid", number(form, "Check Serviceid"))
        return {"success": True}

    def boot(self, form: Form) -> Any:
        return self._power("boot", form, "Instance {name} has been started!")

    def shutdown(self, form: Form) -> Any:
        return self._power("shutdown", form, "Instance {name} has been shut down!")

    def reboot(self, form: Form) -> Any:
        return self._power("reboot", form, "Instance rebooted")

    def repair_instance(self, form: Form) -> Any:
        message = "Instance {name} has been restarted!"
        return self._power("reboot", form, message, action="Repair Instance")

    def rescue(self, form: Form) -> Any:
        message = "Server {name} Rebooting."
        return self._power("reboot", form, message, action="Reboot in Rescue Mode")

    def unrescue(self, form: Form) -> Any:
        message = "Server {name} Rebooting Noramal."
        return self._power("reboot", form, message, action="Unrescue")

    def terminate(self, form: Form) -> Any:
        service = self._account.changeable(None, number(form, None)).serviceid
        return self._later(None, "Instance deleted", lambda: self._account.end(service))

    def recreate(self, form: Form) -> Any:
        server = self._account.changeable("Rercreate", number(form, "Rercreate"))

        def effect() -> None:
            if self._settings.recreate_moves:
                self._account.move(server.serviceid)
            self._account.rebuild(server.serviceid)

        return self._later("Rercreate", f"Recreating Server#{server.serviceid}", effect)

    def reinstall_instance(self, form: Form) -> Any:
        action = "Reinstall Instance"
        service = self._account.changeable(action, number(form, action)).serviceid
        template = required(form, action, "template")
        if template not in {image["uuid"] for image in catalogue.IMAGES}:
            raise ProviderError(action, "Template is invalid.")
        return self._later(
            action,
            f"Instance Server#{service} is being rebuilt!",
            lambda: self._account.rebuild(service, template=template),
        )

    def finalize_iso(self, form: Form) -> Any:
        action = "Finalize ISO"
        self._account.changeable(action, number(form, action))
        raise ProviderError(action, "The instance was not created from an ISO.")

    def edit_instance(self, form: Form) -> Any:
        action = "Edit Instance"
        server = self._account.changeable(action, number(form, action))
        name = required(form, action, "srvrname")
        message = "Instance server name has been updated"
        return done(action, message, lambda: setattr(server, "srvrname", name))

    def change_password(self, form: Form) -> Any:
        action = "Change Password"
        server = self._account.changeable(action, number(form, action))
        password = required(form, action, "password")
        return done(
            action,
            f"Server Server#{server.serviceid} has new password!<br>"
            "Reboot required for changes to take effect!",
            lambda: setattr(server, "new_password", password),
        )

    def toggle_lock(self, form: Form) -> Any:
        if not form.get("serviceid"):
            raise ProviderError("Toggle Lock", "Service Id is required.", "5529903")
        server = self._account.server("Toggle Lock", number(form, "Toggle Lock"))
        state = "unlocked" if server.locked else "locked"
        return done(
            "Toggle Lock",
            f"Service has been {state}.",
            lambda: setattr(server, "locked", not server.locked),
        )

    def get_instance_maintenance(self, form: Form) -> Any:
        action = "Get Instance Maintenance"
        server = self._account.server(action, number(form, action))
        if not documents.is_building(self._account, server):
            return []
        return [step("success", action, "Server is being Created!")]

    def get_serial(self, form: Form) -> Any:
        return self._log("Get Serial", form)

    def get_vnc(self, form: Form) -> Any:
        return self._log("Get Vnc", form)

    def get_server_charts(self, form: Form) -> Any:
        self._account.server("Get Server Charts", number(form, "Get Server Charts"))
        return {}

    def get_snapshots(self, form: Form) -> Any:
        return documents.listing(self._account, [])

    def _log(self, action: str, form: Form) -> Any:
        self._account.server(action, number(form, action))
        draw = count(form, "draw", 0)
        return {"success": {"draw": draw, "recordsTotal": 0, "recordsFiltered": 0, "data": []}}

    def _power(
        self, power: Power, form: Form, message: str, *, action: str | None = None
    ) -> Change:
        title = action or power.title()
        service = self._account.changeable(title, number(form, title)).serviceid
        text = message.format(name=f"Server#{service}")
        return done(title, text, lambda: self._account.power(power, service))
