"""Faults of the Pulumi program: those of a zone hold only that zone."""

from __future__ import annotations

from kit.faults import Actor, Table

FAULTS = Table("stacks", "The Pulumi program, and its requests to Cloudflare")

ZONE_NOT_FOUND = FAULTS.code(
    "dns.zone_not_found",
    message="the Cloudflare account of this token has no zone {zone}",
    remedy="add the zone there, or give the token access to it",
    cause="A domain's zone is missing, or the token has no access to it. Its records are not "
    "changed, and no host with names in it is bought; everything else continues.",
    example={"zone": "go.acme.example or acme.example"},
)
ZONE_AMBIGUOUS = FAULTS.code(
    "dns.zone_ambiguous",
    message="the token reaches {count} zones {zone}, and none is active",
    remedy="delete all but one, or limit the token to one account",
    cause="Several Cloudflare accounts may add the same zone; the one that it is delegated to "
    "becomes active.",
    example={"zone": "acme.example", "count": 2},
)
ZONE_NOT_FULL = FAULTS.code(
    "dns.zone_not_full",
    message="zone {zone} is of type {type} at Cloudflare, which does not serve its records",
    remedy="change it to a full setup at Cloudflare, or set `dns: manual` for its domains",
    cause="Of a partial zone another provider's servers are asked, and a secondary one copies its "
    "records from elsewhere. Nothing is written there.",
    example={"zone": "acme.example", "type": "partial"},
)
FOREIGN_RECORD = FAULTS.code(
    "dns.foreign_record",
    message="{record} in zone {zone} does not have the mark of this tenant, and conflicts with "
    "{key}",
    remedy="{remedy}",
    cause="A record without our mark has the name that a record of the tenant needs. The zone is "
    "held.",
    example={
        "record": "TXT acme.example",
        "zone": "acme.example",
        "key": "acme.example/SPF",
        "remedy": "to keep it, set `dns: manual` for acme.example, or remove it, or hand it over "
        "by setting its comment to pm:i3f9a2c:acme:acme.example/SPF (it is overwritten then)",
    },
)
ALIAS_IN_THE_WAY = FAULTS.code(
    "dns.alias_in_the_way",
    message="{record} in zone {zone} hides {key}, which has the same name",
    remedy="{remedy}",
    cause="A CNAME below the apex that is DNS only hides the other records of its name. One that "
    "is proxied or at the apex is answered by addresses, and mail beside it works. The zone is "
    "held.",
    example={
        "record": "CNAME shop.acme.example",
        "zone": "acme.example",
        "key": "shop.acme.example/MX",
        "remedy": "turn its proxy on at Cloudflare, or replace it by address records of its target",
    },
)
EMAIL_ROUTING = FAULTS.code(
    "dns.email_routing",
    message="{record} in zone {zone} is of Cloudflare's Email Routing and conflicts with {key}",
    remedy="disable Email Routing of the zone at Cloudflare, or unlock its DNS records there and "
    "remove this one",
    cause="Email Routing locks its MX, SPF and DKIM records: nobody can change or delete them "
    "while it is on. The zone is held, and nothing is written.",
    example={"record": "MX acme.example", "zone": "acme.example", "key": "acme.example/MX"},
)
DELEGATED_AWAY = FAULTS.code(
    "dns.delegated_away",
    message="NS records at {cut} in zone {zone} delegate the name of {key} to other name servers",
    remedy="remove these NS records at Cloudflare, or give the delegated part a zone of its own",
    cause="Cloudflare stores records at or below a delegated name without an error and does not "
    "serve them. The zone is held.",
    example={"cut": "go.acme.example", "zone": "acme.example", "key": "go.acme.example/MX"},
)
RECORD_QUOTA = FAULTS.code(
    "dns.quota",
    message="the zone's record quota is exhausted: {reason}",
    remedy="remove records that nothing uses from the zone, or choose a larger plan for it",
    cause="Cloudflare limits the number of records of a zone by its plan: 200 on a free one (1000 "
    "if it was made before September 2024), 3500 on a paid one, more by a contract. Nothing is "
    "bought for a zone that has too little room.",
    example={"reason": "penguin.example has 195 of 200 records, and 8 more are needed"},
)
ZONE_OUT_OF_REACH = FAULTS.code(
    "dns.zone_out_of_reach",
    message="the token may not change zone {zone}, where {count} records of this tenant are",
    remedy="give the token DNS Write and Zone Read for it; if the zone was removed, or you remove "
    "the records yourself, repeat `penguin delete` or `penguin apply` with --forget-zone {zone}",
    cause="Records are to be deleted in a zone that the token does not reach any more, or may only "
    "read. They are left as they are; everything else is deleted, servers too.",
    example={"zone": "acme.example", "count": 8},
    retryable=True,
    acts=Actor.OPERATOR,
)
ZONE_NOT_SEARCHED = FAULTS.code(
    "dns.zone_not_searched",
    message="the token may not read zone {zone}, which no domain of the document is in any more, "
    "and an interrupted run may have left a record there",
    remedy="give the token DNS Write and Zone Read for it; if the zone was removed, repeat "
    "`penguin delete` or `penguin apply` with --forget-zone {zone}",
    cause="The zone was given up, or its domain moved, before it was searched for records with our "
    "mark that are in no state.",
    example={"zone": "acme.example"},
    retryable=True,
    acts=Actor.OPERATOR,
)
LEFTOVER = FAULTS.code(
    "dns.leftover",
    message="{record} with our mark {mark} is in neither state nor blueprint; it is removed",
    remedy="",
    cause="A run was interrupted after it had written the record, and the document does not have "
    "it any more.",
    example={"record": "TXT mx1.acme.example", "mark": "pm:k3f9a:acme:mx1-1/SPF"},
    acts=Actor.NOBODY,
)
FORGOTTEN = FAULTS.code(
    "dns.forgotten",
    message="records in zones that are gone are taken out of the state: {records}",
    remedy="run it once more",
    cause="Their zone was added to Cloudflare again, and is another one now, or a person has "
    "decided that they are gone. The next run leaves them out; the control plane does that by "
    "itself.",
    example={"records": "acme.example/MX, acme.example/SPF"},
)
ADOPTED = FAULTS.code(
    "dns.adopted",
    message="records with our mark that the state did not know are adopted: {records}",
    remedy="run it once more",
    cause="The state was lost or restored. An adopted record is first imported unchanged; the "
    "next run updates it to the blueprint. The control plane does that by itself.",
    example={"records": "acme.example/MX, acme.example/SPF"},
)
CLOUDFLARE_UNAUTHORIZED = FAULTS.code(
    "cloudflare.unauthorized",
    message="Cloudflare refuses the token (HTTP {status}) for {path}",
    remedy="check CLOUDFLARE_API_TOKEN and its permissions (DNS write, zone read)",
    cause="The token is wrong, expired, or lacks a permission.",
    example={"status": 403, "path": "/zones?name=acme.example"},
    acts=Actor.OPERATOR,
)
CLOUDFLARE_RATE_LIMITED = FAULTS.code(
    "cloudflare.rate_limited",
    message="the requests of this token's user to Cloudflare are limited",
    remedy="wait; it is tried again more slowly",
    cause="More than 1200 in five minutes, after which Cloudflare refuses all, or more than the "
    "share of this installation (CLOUDFLARE_RATE).",
    retryable=True,
    acts=Actor.NOBODY,
)
CLOUDFLARE_GONE = FAULTS.code(
    "cloudflare.gone",
    message="Cloudflare does not know {path}",
    remedy="wait; it is looked up again",
    cause="A zone or a record was removed at Cloudflare since it was listed.",
    example={"path": "/zones/023e105f4ecef8ad9ca31a8372d0c353/dns_records"},
    retryable=True,
    acts=Actor.NOBODY,
)
CLOUDFLARE_ERROR = FAULTS.code(
    "cloudflare.error",
    message="Cloudflare answers {answer} to {path}",
    remedy="wait; it is tried again; see https://www.cloudflarestatus.com",
    cause="The provider failed, or answered in another format.",
    example={"answer": "HTTP 500", "path": "/zones?name=acme.example"},
    retryable=True,
    acts=Actor.PROVIDER,
)
RECORD_REFUSED = FAULTS.code(
    "cloudflare.refused",
    message="Cloudflare refuses a record: {reason}",
    remedy="change the tenant as the message says, then apply it again",
    cause="Cloudflare does not accept a record of the blueprint.",
    example={"reason": "9004 Invalid DNS record (HTTP 400)"},
)
CLOUDFLARE_UNREACHABLE = FAULTS.code(
    "cloudflare.unreachable",
    message="Cloudflare at {url} does not answer: {reason}",
    remedy="check CLOUDFLARE_BASE_URL and the network; it is tried again",
    cause="No connection, or an answer that breaks off.",
    example={"url": "https://api.cloudflare.com/client/v4", "reason": "connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
STATE_UNREACHABLE = FAULTS.code(
    "cloud.state_unreachable",
    message="the state of the cloud cannot be read: {reason}",
    remedy="check PULUMI_BACKEND_URL (postgres://… or file:///…) and what it names",
    cause="The database or directory that holds Pulumi's state does not answer.",
    example={"reason": "connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
STATE_POOLED = FAULTS.code(
    "cloud.state_pooled",
    message="PULUMI_BACKEND_URL goes through a pooler, where the engine can get answers to other "
    "queries than its own",
    remedy="add binary_parameters=yes to its query, or name PostgreSQL itself",
    cause="Pulumi's driver sends a query and its parameters in two steps, between which a pooler "
    "such as PgBouncer may change the session; with the option, in one.",
    acts=Actor.OPERATOR,
)
NO_SOURCE = FAULTS.code(
    "stack.no_source",
    message="neither penguin:control-plane nor penguin:blueprint is set for this stack",
    remedy='run `eval "$(penguin lab env)"`, or `penguin render` and '
    "`pulumi config set penguin:blueprint PATH`",
    cause="`pulumi up` by hand needs the source of the blueprint.",
)
CONFIGURED_PROVIDER = FAULTS.code(
    "stack.configured_provider",
    message="the configuration of this stack has {key}",
    remedy="run `pulumi config rm {key}`, and set CLOUDFLARE_BASE_URL and CLOUDFLARE_API_TOKEN",
    cause="Address and credentials of Cloudflare come from the environment: settings of the stack "
    "would lead round the gateway that judges every answer, or use another token than the look-ups "
    "before anything is bought.",
    example={"key": "cloudflare:baseUrl"},
)
BAD_BLUEPRINT = FAULTS.code(
    "stack.bad_blueprint",
    message="blueprint {source} cannot be read: {reason}",
    remedy="run `penguin render` of the same version as this program",
    cause="The blueprint is missing, is not text, or was rendered by another version.",
    example={"source": "acme.json", "reason": "2 fields are wrong"},
)
WRONG_TENANT = FAULTS.code(
    "stack.wrong_tenant",
    message="stack {stack} was given the blueprint of tenant {tenant}",
    remedy="use `-s {tenant}`",
    cause="The stack's configuration names another tenant's blueprint.",
    example={"stack": "acme", "tenant": "globex"},
)
NO_INSTALLATION = FAULTS.code(
    "stack.no_installation",
    message="blueprint {source} was rendered without an installation",
    remedy="render it where `penguin init` was run, or read it from the control plane",
    cause="Names and marks begin with the installation's id, and this blueprint has none.",
    example={"source": "acme.json"},
)
CONTROL_PLANE_REFUSED = FAULTS.code(
    "stack.refused",
    message="the control plane does not return the blueprint: {detail}",
    remedy="{remedy}",
    cause="The control plane answered the request for the blueprint with an error.",
    example={
        "detail": "HTTP 401 (auth.invalid_key)",
        "remedy": "check PENGUIN_API_KEY and the tenant's name",
    },
)
OLDER_GENERATION = FAULTS.code(
    "stack.older_generation",
    message="stack {stack} is at generation {known}, and the blueprint is generation {given}",
    remedy="run it with the tenant's current blueprint, as `penguin apply` or `penguin render` "
    "give it; to go back, apply the earlier file again, which is a new generation",
    cause="The blueprint is older than the one that was applied last: a file from before, or a run "
    "that was suspended. Nothing was changed.",
    example={"stack": "acme", "known": 7, "given": 6},
    acts=Actor.USER,
)
CONTROL_PLANE_UNREACHABLE = FAULTS.code(
    "stack.unreachable",
    message="the control plane at {url} does not answer: {reason}",
    remedy="start it with `penguin serve`, or set penguin:blueprint",
    cause="No control plane answers at the address that the stack's configuration names.",
    example={"url": "http://127.0.0.1:8400", "reason": "connection refused"},
    retryable=True,
    acts=Actor.OPERATOR,
)
