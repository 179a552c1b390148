-- name: pinned
select service, image, tag, digest, registry, pinned_at, pinned_by
from oltp.pinned_images
order by service

-- name: pinned_services
select service from oltp.pinned_images

-- name: lock
-- Of two operators who pin at the same time, the second one sees what the first one did.
select pg_advisory_xact_lock(:lock)

-- name: pin
insert into oltp.pinned_images as pinned
    (service, image, tag, digest, registry, pinned_at, pinned_by)
values (:service, :image, :tag, :digest, :registry, :at, :by)
on conflict (service) do update set
    image = excluded.image, tag = excluded.tag, digest = excluded.digest,
    registry = excluded.registry, pinned_at = excluded.pinned_at, pinned_by = excluded.pinned_by
