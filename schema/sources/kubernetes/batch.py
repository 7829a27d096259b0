"""Work that ends (batch/v1): jobs, and the cron jobs that make them, in kubectl's words.

After `printJob` and `printCronJob` in pkg/printers/internalversion/printers.go of Kubernetes 1.37.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct, field

from schema.sources.kubernetes.cold import Rest
from schema.sources.kubernetes.durations import human_duration
from schema.sources.kubernetes.label_selectors import LabelSelector, selector_text
from schema.sources.kubernetes.objects import Label, Owner, Sharing
from schema.sources.kubernetes.templates import Template
from schema.sources.kubernetes.wire import Condition, Meta, is_true

_NO_TEMPLATE: Final = Template()


# ------------------------------------------------------------------------------------------------------------ jobs


class JobRecord(Struct, frozen=True, gc=False, eq=False):
    """A job. `status` and `completions_text` are STATUS and COMPLETIONS; `completions` is how many pods must succeed.

    `started_at` and `completed_at` (RFC 3339) are None until it has: one that failed never completed.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    status: str
    completions: int | None
    parallelism: int | None
    active: int
    ready: int
    succeeded: int
    failed: int
    suspended: bool
    started_at: str | None
    completed_at: str | None
    selector: str | None
    container_names: tuple[str, ...]
    images: tuple[str, ...]
    rest: Rest

    @property
    def completions_text(self) -> str:
        if self.completions is not None:
            return f"{self.succeeded}/{self.completions}"
        if self.parallelism is not None and self.parallelism > 1:
            return f"{self.succeeded}/1 of {self.parallelism}"
        return f"{self.succeeded}/1"

    def duration_seconds(self, now: float) -> float | None:
        """How long it has taken so far, or took until it completed; None if it has not started."""
        if self.started_at is None:
            return None
        end = now if self.completed_at is None else datetime.fromisoformat(self.completed_at).timestamp()
        return end - datetime.fromisoformat(self.started_at).timestamp()

    def duration_text(self, now: float) -> str:
        """DURATION."""
        seconds = self.duration_seconds(now)
        return "" if seconds is None else human_duration(seconds)


class _JobSpec(Struct, frozen=True, gc=False):
    completions: int | None = None
    parallelism: int | None = None
    suspend: bool | None = None
    selector: LabelSelector | None = None
    template: Template | None = None


class _JobStatus(Struct, frozen=True, gc=False):
    active: int | None = None
    ready: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    start_time: str | None = field(name="startTime", default=None)
    completion_time: str | None = field(name="completionTime", default=None)
    conditions: list[Condition] | None = None


class WireJob(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _JobSpec | None = None
    status: _JobStatus | None = None


def job_record(wire: WireJob, rest: Rest, sharing: Sharing) -> JobRecord:
    meta, spec, status = wire.metadata, wire.spec or _JobSpec(), wire.status or _JobStatus()
    template, selector = spec.template or _NO_TEMPLATE, selector_text(spec.selector)
    return JobRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        status=job_status(status.conditions or (), deleted=meta.deletion_timestamp is not None),
        completions=spec.completions,
        parallelism=spec.parallelism,
        active=status.active or 0,
        ready=status.ready or 0,
        succeeded=status.succeeded or 0,
        failed=status.failed or 0,
        suspended=bool(spec.suspend),
        started_at=status.start_time,
        completed_at=status.completion_time,
        selector=selector,  # each job's own: it names the job's uid
        container_names=template.container_names(sharing),
        images=template.images(sharing),
        rest=rest,
    )


def job_status(conditions: Sequence[Condition], *, deleted: bool) -> str:
    """STATUS. A condition that comes twice is what its first one says."""
    first = tuple({one.type: one for one in reversed(conditions)}.values())
    for status in ("Complete", "Failed"):
        if is_true(first, status):
            return status
    if deleted:
        return "Terminating"
    return next(
        (word for word in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if is_true(first, word)), "Running"
    )


# ------------------------------------------------------------------------------------------------------- cron jobs


class CronJobRecord(Struct, frozen=True, gc=False, eq=False):
    """A cron job: SCHEDULE, TIMEZONE, SUSPEND, ACTIVE and LAST SCHEDULE.

    `time_zone` is None where the controller's own counts. `active_jobs` are names; times are RFC 3339, None for never.
    """

    uid: str
    resource_version: str
    namespace: str
    name: str
    created_at: str
    labels: tuple[Label, ...]
    owner: Owner | None
    schedule: str
    time_zone: str | None
    suspended: bool
    concurrency_policy: str
    active: int
    active_jobs: tuple[str, ...]
    last_scheduled_at: str | None
    last_succeeded_at: str | None
    container_names: tuple[str, ...]
    images: tuple[str, ...]
    rest: Rest


class _JobTemplateSpec(Struct, frozen=True, gc=False):
    template: Template | None = None


class _JobTemplate(Struct, frozen=True, gc=False):
    spec: _JobTemplateSpec | None = None


class _CronJobSpec(Struct, frozen=True, gc=False):
    schedule: str | None = None
    time_zone: str | None = field(name="timeZone", default=None)
    suspend: bool | None = None
    concurrency_policy: str | None = field(name="concurrencyPolicy", default=None)
    job_template: _JobTemplate | None = field(name="jobTemplate", default=None)


class _Reference(Struct, frozen=True, gc=False):
    name: str | None = None


class _CronJobStatus(Struct, frozen=True, gc=False):
    active: list[_Reference] | None = None
    last_schedule_time: str | None = field(name="lastScheduleTime", default=None)
    last_successful_time: str | None = field(name="lastSuccessfulTime", default=None)


class WireCronJob(Struct, frozen=True, gc=False):
    metadata: Meta
    spec: _CronJobSpec | None = None
    status: _CronJobStatus | None = None


def cron_job_record(wire: WireCronJob, rest: Rest, sharing: Sharing) -> CronJobRecord:
    meta, spec, status = wire.metadata, wire.spec or _CronJobSpec(), wire.status or _CronJobStatus()
    template = ((spec.job_template or _JobTemplate()).spec or _JobTemplateSpec()).template or _NO_TEMPLATE
    active = tuple(one.name or "" for one in status.active or ())
    return CronJobRecord(
        uid=meta.uid,
        resource_version=meta.resource_version,
        namespace=sharing.strings[meta.namespace],
        name=meta.name,
        created_at=meta.creation_timestamp or "",
        labels=sharing.labels(meta.labels),
        owner=sharing.owner(meta.owner_references),
        schedule=sharing.strings[spec.schedule or ""],
        time_zone=sharing.strings[spec.time_zone] if spec.time_zone else None,
        suspended=bool(spec.suspend),
        concurrency_policy=sharing.strings[spec.concurrency_policy or "Allow"],
        active=len(active),
        active_jobs=active,
        last_scheduled_at=status.last_schedule_time,
        last_succeeded_at=status.last_successful_time,
        container_names=template.container_names(sharing),
        images=template.images(sharing),
        rest=rest,
    )
