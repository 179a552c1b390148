"""Actions on catalogue, keys, upgrades and billing (documentation: upgrade and billing)."""

from __future__ import annotations

from functools import partial
from typing import Any

from lab.hostwinds import catalogue, documents
from lab.hostwinds.actions import Actions, Form, done, number, required
from lab.hostwinds.errors import ProviderError


class Billing(Actions):
    """One method per action."""

    def get_locations(self, form: Form) -> Any:
        return documents.offered(self._account, catalogue.LOCATIONS, "id")

    def get_public_images(self, form: Form) -> Any:
        return documents.offered(self._account, catalogue.IMAGES, "uuid")

    def get_price_list(self, form: Form) -> Any:
        return {"success": catalogue.price_list(self._settings)}

    def get_billingcycle_prices(self, form: Form) -> Any:
        if not form.get("serviceid"):
            return {}
        server = self._account.server("Get Billingcycle Prices", number(form, None))
        price = float(server.monthly)
        return {cycle: f"{price * count:.2f}" for cycle, count in catalogue.MONTHS.items()}

    def add_ssh_key(self, form: Form) -> Any:
        action = "Add Ssh Key"
        required(form, action, "name")
        raise ProviderError(action, "The key can not be added.")

    def delete_ssh_key(self, form: Form) -> Any:
        required(form, "Delete Ssh Key", "name")
        raise ProviderError("Delete Ssh Key", "The key does not exist.")

    def change_billing_cycle(self, form: Form) -> Any:
        action = "Change Billing Cycle"
        server = self._account.changeable(action, number(form, action))
        cycle = catalogue.cycle(action, form.get("billingcycle") or "monthly")
        return done(action, "Service has been upgraded!", lambda: setattr(server, "cycle", cycle))

    def upgrade_to_managed(self, form: Form) -> Any:
        action = "Upgrade to Managed"
        self._account.changeable(action, number(form, action))
        return catalogue.cycle(action, "hourly")

    def downgrade_to_unmanaged(self, form: Form) -> Any:
        action = "Downgrade to Unmanaged"
        self._account.changeable(action, number(form, action))
        return done(action, "Service has been downgraded!", lambda: None)

    def check_upgrade_order(self, form: Form) -> Any:
        action = "Check Upgrade Order"
        upgrade = self._account.server(action, number(form, action)).upgrade
        if upgrade is None:
            raise ProviderError(action, "There is no upgrade order.")
        return {
            "success": {
                "id": upgrade.order,
                "orderid": upgrade.order + 1000,
                "invoiceid": upgrade.order + 2000,
                "duedate": "2026-12-31",
                "total": upgrade.usd,
            }
        }

    def upgrade_instance(self, form: Form) -> Any:
        action = "Upgrade Instance"
        server = self._account.changeable(action, number(form, action))
        rid = required(form, action, "rid")
        if server.upgrade is not None:
            raise ProviderError(action, "An upgrade order exists already.")
        if rid not in catalogue.PLANS:
            raise ProviderError(action, "Resource Id is invalid.")
        return done(
            action,
            "Service has been upgraded!",
            lambda: self._account.order_upgrade(server, rid),
        )

    def check_upgrade_reboot(self, form: Form) -> Any:
        action = "Check Upgrade Reboot"
        return {"success": self._account.server(action, number(form, action)).upgrade is not None}

    def upgrade_server(self, form: Form) -> Any:
        action = "Upgrade Server"
        server = self._account.changeable(action, number(form, action))
        upgrade = server.upgrade
        if upgrade is None or not upgrade.paid:
            raise ProviderError(action, "The upgrade is not paid.")
        message = f"Server Server#{server.serviceid} is being upgraded."
        return self._later(action, message, partial(self._account.apply_upgrade, server, upgrade))

    def confirm_upgrade(self, form: Form) -> Any:
        return self._end_upgrade("Confirm Upgrade", "Upgrade Confirmed!", form, keep=True)

    def revert_upgrade(self, form: Form) -> Any:
        return self._end_upgrade("Revert Upgrade", "Upgrade Reverted!", form, keep=False)

    def _end_upgrade(self, action: str, message: str, form: Form, *, keep: bool) -> Any:
        server = self._account.changeable(action, number(form, action))
        upgrade = server.upgrade
        if upgrade is None or not upgrade.applied:
            raise ProviderError(action, "The instance is not resized.")
        effect = partial(self._account.end_upgrade, server, upgrade, keep=keep)
        return done(action, message, effect)
