"""Every metric of the project, in one table: name, kind, unit, labels, meaning. The reference page is made from it.

A label has a bounded set of values: names from the configuration, words from the code, numbers of a fixed range. A
tenant, a key, a job or any other string a caller may choose is never a label: a label's values are kept for ever.
A new metric is one line here and `Instruments.counter`, `.gauge` or `.histogram` where it is measured.
"""

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["METRICS", "Count", "Label", "Level", "Metric", "Spread", "Unit"]

Label = Literal[
    "cause",
    "code",
    "dependency",
    "deployment",
    "door",
    "kind",
    "lane",
    "method",
    "model",
    "outcome",
    "partition",
    "provider",
    "reason",
    "route",
    "service",
    "status",
    "topic",
    "version",
]

Unit = Literal["bytes", "dollars", "ratio", "seconds", "tokens", "things"]


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    meaning: str
    labels: tuple[Label, ...] = ()
    unit: Unit = "things"


@dataclass(frozen=True, slots=True)
class Count(Metric):
    """Only ever grows; its name ends in `_total`."""


@dataclass(frozen=True, slots=True)
class Level(Metric):
    """Goes up and down."""


_QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_PATIENT: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 3600.0)
_SIZES: Final = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0)


@dataclass(frozen=True, slots=True)
class Spread(Metric):
    """A histogram; `buckets` are upper bounds."""

    buckets: tuple[float, ...] = _QUICK


# Every process
BUILD_INFO = Level("sluice_build_info", "Always 1; tells which version runs.", ("service", "version"))
DEPENDENCY_UP = Level("sluice_dependency_up", "1 while the server answers.", ("dependency",))
DEAD_LETTERS = Count("sluice_dead_letters_total", "Records set aside.", ("topic", "reason"))
CONFIG_READINGS = Count(
    "sluice_config_readings_total", "Times the configuration was read again: taken, unchanged, refused.", ("outcome",)
)
CONFIG_REFUSED = Level("sluice_config_refused", "1 while the process goes by an older file than the one that is there.")
PRODUCED = Count("sluice_produced_records_total", "Records handed to Kafka.", ("topic", "outcome"))

# Ingress
HTTP_REQUESTS = Count("sluice_http_requests_total", "Answers given.", ("route", "method", "status"))
HTTP_SECONDS = Spread(
    "sluice_http_request_seconds", "From the request to the answer's first byte.", ("route",), "seconds"
)
ACCEPTED = Count("sluice_jobs_accepted_total", "Jobs that Kafka has acknowledged.", ("door", "lane", "model"))
REFUSED = Count("sluice_jobs_refused_total", "Jobs turned away, by the error's code.", ("door", "code"))
REPEATED = Count("sluice_jobs_repeated_total", "Requests sent again, whose job stood already.", ("door",))
ACCEPT_SECONDS = Spread("sluice_accept_seconds", "From the request to Kafka's acknowledgement.", ("door",), "seconds")
SUBMISSIONS = Count("sluice_submissions_total", "Records of the submit topics.", ("topic", "outcome"))
EXPECTED_WAIT = Level(
    "sluice_expected_wait_seconds",
    "From acceptance to a slot, as it is expected for a tenant that has nothing waiting; not a number while unknown.",
    ("lane",),
    "seconds",
)
WORKERS_SEEN = Level("sluice_workers_seen", "Workers that have told lately how busy they are.")
OPEN_STREAMS = Level("sluice_open_streams", "Readers connected now.")
FOLLOWED_JOBS = Level("sluice_followed_jobs", "Jobs whose log this replica follows now.")
STREAM_EVENTS = Count("sluice_stream_events_total", "Log entries handed to readers.", ("kind",))
REFOLLOWS = Count("sluice_refollows_total", "Logs read again from the cursor.", ("cause",))

# Router worker: intake
RECORDS = Count(
    "sluice_job_records_total",
    "Job records, by what was found: new, taken_over, ended, shadowed; a wait that is over is found again.",
    ("lane", "outcome"),
)
RECORDS_BEHIND = Level("sluice_job_records_behind", "Records of this worker's partitions not taken yet.", ("lane",))
JOBS_WAITING = Level("sluice_jobs_waiting", "Jobs taken from Kafka that have no slot yet.", ("lane",))
JOBS_RUNNING = Level("sluice_jobs_running", "Jobs with a slot.", ("lane",))
JOBS_SHADOWED = Level("sluice_jobs_shadowed", "Jobs of this worker's partitions that another worker still runs.")
UNCOMMITTED = Level("sluice_uncommitted_offsets", "Offsets admitted and not yet committed.", ("topic", "partition"))
WATERMARK_AGE = Level(
    "sluice_watermark_age_seconds",
    "Since the oldest unfinished job of the partition was read.",
    ("topic", "partition"),
    "seconds",
)
OLDEST_JOB = Level("sluice_oldest_job_seconds", "Since the longest running job got its slot.", ("lane",), "seconds")
COMMITS = Count("sluice_commits_total", "Offset commits.", ("lane", "outcome"))
REBALANCES = Count("sluice_rebalances_total", "Times the partitions were dealt anew.", ("lane",))
REBUILDS = Count("sluice_consumer_rebuilds_total", "Consumers that were stuck, and replaced.", ("lane",))
WORK_SECONDS = Level(
    "sluice_estimated_work_seconds",
    "Slot time that what waits for this worker will take, by how long its jobs took lately; for an autoscaler.",
    ("lane",),
    "seconds",
)
POLL_AGE = Level("sluice_poll_age_seconds", "Since Kafka was asked for records.", ("lane",), "seconds")

# Router worker: jobs and attempts
JOBS_ENDED = Count("sluice_jobs_ended_total", "Jobs by how they ended.", ("model", "lane", "status"))
QUEUE_SECONDS = Spread("sluice_job_queue_seconds", "From acceptance to a worker.", ("lane",), "seconds", _PATIENT)
JOB_SECONDS = Spread("sluice_job_seconds", "From acceptance to the end.", ("lane", "status"), "seconds", _PATIENT)
ATTEMPTS = Count("sluice_attempts_total", "Provider calls.", ("model", "provider", "deployment", "outcome"))
ATTEMPT_FAILURES = Count("sluice_attempt_failures_total", "Failed provider calls.", ("provider", "deployment", "kind"))
ATTEMPT_SECONDS = Spread(
    "sluice_attempt_seconds", "Length of a provider call.", ("provider", "deployment"), "seconds", _PATIENT
)
FIRST_TOKEN_SECONDS = Spread(
    "sluice_first_token_seconds", "From the call to its first token.", ("provider", "deployment"), "seconds", _PATIENT
)
ATTEMPTS_RUNNING = Level("sluice_attempts_running", "Provider calls open now.", ("provider", "deployment"))
FAILOVERS = Count("sluice_failovers_total", "Jobs that went on to another deployment.", ("model", "cause"))
HEDGES = Count(
    "sluice_hedges_total",
    "Second calls that were made beside slow ones; whether the `first` was heard, the `second`, or `nobody`.",
    ("model", "outcome"),
)
RESTARTS = Count("sluice_restarts_total", "Answers begun again after a reader had seen a part.", ("model", "cause"))
TOKENS = Count("sluice_tokens_total", "Tokens used, by bucket.", ("provider", "deployment", "kind"), "tokens")

# Router worker: providers' quotas; a deployment is here `<provider>/<the model it is asked for>`
QUOTA_SECONDS = Spread(
    "sluice_quota_wait_seconds",
    "How long calls waited that could not begin at once, because the deployment was at its limit.",
    ("deployment", "lane"),
    "seconds",
    _PATIENT,
)
QUOTA_WAITING = Level("sluice_quota_waiting_calls", "Calls that wait for that now.", ("deployment", "lane"))
QUOTA_LEASES = Count(
    "sluice_quota_leases_total",
    "Times the shared book was asked: it dealt all that was asked for, or some; or Redis was away.",
    ("deployment", "outcome"),
)
QUOTA_SHARE = Level(
    "sluice_quota_share_ratio",
    "How much of the limit is used; less than 1 for a while after the provider has refused a call.",
    ("deployment",),
    "ratio",
)

# Router worker: which deployments are left alone; named as above
BREAKER_STATE = Level(
    "sluice_breaker_state", "Whether calls may begin: 0 yes, 1 a few that try it, 2 none for now.", ("deployment",)
)
BREAKER_OPENINGS = Count(
    "sluice_breaker_openings_total",
    "Times a deployment was left alone, by what failed last; `found` by the worker itself, or `heard` from another.",
    ("deployment", "kind", "cause"),
)
PROBES = Count(
    "sluice_probes_total",
    "Times a deployment that was left alone was asked after; `answered`, or what failed.",
    ("deployment", "outcome"),
)
KEYS_IN_USE = Level(
    "sluice_keys_in_use",
    "How many of the configured keys the provider takes, as far as the worker knows; 0 when it takes none.",
    ("deployment",),
)

# Router worker: the job log
FLUSH_SECONDS = Spread("sluice_log_flush_seconds", "One round trip of the flusher.", (), "seconds")
FLUSH_ENTRIES = Spread("sluice_log_flush_entries", "Entries in one flush.", (), "things", _SIZES)
LOG_REFILLS = Count("sluice_log_refills_total", "Logs written again because Redis had lost them.")
FENCED = Count("sluice_fenced_total", "Runs given up because another worker has taken the job.")

# Accounting
USAGE_EVENTS = Count("sluice_usage_events_total", "Usage events: new, or known already.", ("outcome",))
RESULT_EVENTS = Count("sluice_result_events_total", "Result events: new, or known already.", ("outcome",))
JOB_EVENTS = Count("sluice_job_events_total", "Accepted jobs written: new, or known already.", ("outcome",))
UNPRICED = Count("sluice_unpriced_attempts_total", "Ledger rows without a price.", ("provider", "deployment"))
UNPRICED_TOKENS = Count("sluice_unpriced_tokens_total", "Tokens of these rows.", ("provider", "deployment"), "tokens")
CHARGED = Count("sluice_charged_dollars_total", "What the ledger charged.", ("provider", "deployment"), "dollars")
LEDGER_SECONDS = Spread("sluice_ledger_transaction_seconds", "One transaction of the ledger.", ("topic",), "seconds")
LEDGER_ROWS = Spread("sluice_ledger_transaction_rows", "Events in one transaction.", ("topic",), "things", _SIZES)
LEDGER_LAG = Level(
    "sluice_ledger_lag_seconds",
    "Age of the newest event when it was written; while a batch cannot be, for how long it has waited.",
    ("topic",),
    "seconds",
)
LEDGER_BEHIND = Level(
    "sluice_ledger_behind_records", "Records of this process's partitions not written yet.", ("topic",)
)
AUDITS = Count(
    "sluice_audits_total", "Audits by night that this process has made: agreed, differing, failed.", ("outcome",)
)
AUDIT_ENDED = Level(
    "sluice_audit_ended_timestamp_seconds",
    "When the last audit by night ended, by whichever process; nothing before the first.",
    (),
    "seconds",
)
AUDIT_DIFFERENCES = Level("sluice_audit_differences", "What it has found; nothing before the first. 0 is expected.")

METRICS: Final[tuple[Metric, ...]] = tuple(found for found in list(globals().values()) if isinstance(found, Metric))
