"""Named objects and the poll of a mesh node: twelve scalars and six columns per interface."""

from __future__ import annotations

from device_drivers.api import Oid, PollPlan

SYS_DESCR: Oid = (1, 3, 6, 1, 2, 1, 1, 1, 0)
SYS_OBJECT_ID: Oid = (1, 3, 6, 1, 2, 1, 1, 2, 0)
SYS_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
SYS_NAME: Oid = (1, 3, 6, 1, 2, 1, 1, 5, 0)
HR_SYSTEM_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 25, 1, 1, 0)
SNMP_ENGINE_ID: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 1, 0)
SNMP_ENGINE_BOOTS: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 2, 0)
SNMP_ENGINE_TIME: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0)
MEM_TOTAL_REAL: Oid = (1, 3, 6, 1, 4, 1, 2021, 4, 5, 0)
MEM_AVAIL_REAL: Oid = (1, 3, 6, 1, 4, 1, 2021, 4, 6, 0)
MEM_BUFFER: Oid = (1, 3, 6, 1, 4, 1, 2021, 4, 14, 0)
MEM_CACHED: Oid = (1, 3, 6, 1, 4, 1, 2021, 4, 15, 0)
LA_LOAD_INT_1: Oid = (1, 3, 6, 1, 4, 1, 2021, 10, 1, 5, 1)
SS_CPU_IDLE: Oid = (1, 3, 6, 1, 4, 1, 2021, 11, 11, 0)

IF_OPER_STATUS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)
IF_IN_OCTETS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 10)
IF_OUT_OCTETS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 16)
IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
IF_HC_IN_OCTETS: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6)
IF_HC_OUT_OCTETS: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10)
IF_HIGH_SPEED: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15)
IF_COUNTER_DISCONTINUITY: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 19)

NODE_PLAN = PollPlan(
    scalars=(
        SYS_UPTIME,
        HR_SYSTEM_UPTIME,
        SNMP_ENGINE_BOOTS,
        SNMP_ENGINE_TIME,
        SYS_NAME,
        SYS_DESCR,
        MEM_TOTAL_REAL,
        MEM_AVAIL_REAL,
        MEM_BUFFER,
        MEM_CACHED,
        LA_LOAD_INT_1,
        SS_CPU_IDLE,
    ),
    columns=(
        IF_NAME,
        IF_HC_IN_OCTETS,
        IF_HC_OUT_OCTETS,
        IF_HIGH_SPEED,
        IF_COUNTER_DISCONTINUITY,
        IF_OPER_STATUS,
    ),
)
"""What production asks of every node: with up to eight interfaces in one exchange, at first in two."""

NODE_PLAN_32 = PollPlan(
    scalars=NODE_PLAN.scalars,
    columns=(IF_NAME, IF_IN_OCTETS, IF_OUT_OCTETS, IF_HIGH_SPEED, IF_COUNTER_DISCONTINUITY, IF_OPER_STATUS),
)
"""The same for agents without 64-bit counters."""

NODE_PLAN_BOTH = PollPlan(
    scalars=NODE_PLAN.scalars,
    columns=(*NODE_PLAN.columns, IF_IN_OCTETS, IF_OUT_OCTETS),
)
"""For agents that have 64-bit counters of some interfaces only."""
