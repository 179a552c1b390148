"""Actions on addresses, reverse names and firewall profiles (documentation: networking)."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from lab.hostwinds import catalogue, documents
from lab.hostwinds.actions import Actions, Form, done, number, required
from lab.hostwinds.errors import ProviderError
from lab.hostwinds.switches import OWN_USERID

HOST_NAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
"""A full host name in lower case, as a PTR needs."""


class Networking(Actions):
    """One method per action."""

    def get_instance_ips(self, form: Form) -> Any:
        server = self._account.server("Get Instance Ips", number(form, "Get Instance Ips"))
        return documents.addresses(self._account, server)

    def change_main_ip(self, form: Form) -> Any:
        action = "Change Main IP"
        server = self._account.changeable(action, number(form, action))

        def effect() -> None:
            self._account.move(server.serviceid)
            self._account.charge(f"{action} {server.srvrname}", catalogue.ADDRESS_CHANGE_USD)

        message = "Main IP address changed successfully!"
        return done(action, message, effect, self._settings.move_after)

    def fix_isp_blocked(self, form: Form) -> Any:
        action = "Fix Isp Blocked"
        service = self._account.changeable(action, number(form, action)).serviceid
        if form.get("loc") != "ips":
            raise ProviderError(action, "loc is required.")
        return done(
            action,
            "Your IP is being changed!",
            lambda: self._account.move(service),
            self._settings.move_after,
        )

    def set_main_ip(self, form: Form) -> Any:
        address = required(form, None, "ip")
        service = self._account.attached(None, number(form, None), address).serviceid
        return self._later(None, "Main IP set", lambda: self._account.prefer(service, address))

    def delete_ip(self, form: Form) -> Any:
        action = "Delete IP"
        address = required(form, action, "ip")
        service = self._account.secondary(action, number(form, action), address).serviceid
        return self._later(action, "IP removed", lambda: self._account.release(service, address))

    def set_rdns(self, form: Form) -> Any:
        action = "Set rDNS"
        address = required(form, action, "ip")
        name = form.get("rdns") or required(form, action, "rdata")
        if not HOST_NAME.fullmatch(name.lower()):
            raise ProviderError(action, "The hostname is invalid.")
        server = self._account.attached(action, number(form, action), address)
        effect = partial(self._account.set_pointer, server, address, name)
        return done(action, "rDNS record updated.", effect)

    def regenerate_networking(self, form: Form) -> Any:
        action = "Regenerate Networking"
        service = self._account.changeable(action, number(form, action)).serviceid
        message = f"Regenerating Network for Server#{service}"
        return self._later(action, message, lambda: self._account.power("reboot", service))

    def get_firewall_profiles(self, form: Form) -> Any:
        is_own = self._settings.key == "valid" and self._settings.userid == OWN_USERID
        names = self._account.profiles.names(own=is_own)
        objects = [{"id": f"profile-{name}", "name": name} for name in names]
        shown: Any = {
            "objects": objects,
            "names": names,
            "by_id": {profile["id"]: profile for profile in objects},
        }[self._settings.profile_list]
        return documents.listing(self._account, shown)

    def get_instance_firewall_profile(self, form: Form) -> Any:
        action = "Get Instance Firewall Profile"
        server = self._account.server(action, number(form, action))
        shown = [self._account.profiles.document(name) for name in server.profiles]
        return {"success": shown[0] if len(shown) == 1 else shown}

    def set_instance_firewall(self, form: Form) -> Any:
        action = "Set Instance Firewall Profile"
        server = self._account.changeable(action, number(form, action))
        name = required(form, action, "name")
        if name not in self._account.profiles.names():
            raise ProviderError(action, "Firewall profile not found.")
        effect = partial(self._account.set_profile, server, name)
        return done(action, "Instances firewall profile has been updated.", effect)

    def get_smtp_filters(self, form: Form) -> Any:
        if form.get("serviceid"):
            self._account.server("Get Smtp Filters", number(form, "Get Smtp Filters"))
        return {"success": {"spam": self._account.smtp_filters}}

    def create_ip_cleanup_fee(self, form: Form) -> Any:
        action = "Create IP Cleanup Fee"
        server = self._account.changeable(action, number(form, action))
        return done(
            action,
            "A valid serviceid is required.",
            lambda: self._account.charge(f"{action} {server.srvrname}", catalogue.CLEANUP_USD),
        )
