"""A durable queue on PostgreSQL: see README.md."""

from sender.queue.attempts import Attempt, Handler, Lost, Refused
from sender.queue.buckets import Bucket
from sender.queue.enqueue import Enqueued, TooManyJobs, enqueue
from sender.queue.extension import Batch, Extension
from sender.queue.install import install, worker_pool
from sender.queue.lists import lists_client
from sender.queue.model import Intent, Job, NewJob, Outcome, Result, State
from sender.queue.settings import Settings
from sender.queue.worker import Worker

__all__ = [
    "Attempt",
    "Batch",
    "Bucket",
    "Enqueued",
    "Extension",
    "Handler",
    "Intent",
    "Job",
    "Lost",
    "NewJob",
    "Outcome",
    "Refused",
    "Result",
    "Settings",
    "State",
    "TooManyJobs",
    "Worker",
    "enqueue",
    "install",
    "lists_client",
    "worker_pool",
]
