"""Every workload, in the order of a run."""
from comparison.workloads.cached import NoopMany, NoopSmall, TouchMany
from comparison.workloads.cold import ColdStart, Django
from comparison.workloads.copy import CopyFrom
from comparison.workloads.pull import PullFew, PullMany
from comparison.workloads.push import PushBig, PushMany
from comparison.workloads.save import Save
from comparison.workloads.steps import Concurrent, Fan, Runs

ALL = (NoopSmall, NoopMany, TouchMany, PushMany, PushBig, PullFew, PullMany, Runs, Fan, CopyFrom, Concurrent, Save,
       ColdStart, Django)
