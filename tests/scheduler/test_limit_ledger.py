"""Ledger of limits: driver-held ones, and those of Ray."""

from placed_plans import OWN, plan_of

from rayexec.definitions.concurrency import TagLimit
from rayexec.placement.choice import choose_placement, driver_placement
from rayexec.scheduler.admission import LimitLedger


def test_admission_counts_what_the_driver_holds() -> None:
    plan = plan_of({"db": "x"}, {})
    ledger = LimitLedger(
        driver_placement(plan, slots=8, max_concurrent=3, tag_limits=[TagLimit("db", 2)])
    )
    tagged, plain = 0, 1
    for _ in range(2):
        assert ledger.full_limit(tagged) is None
        ledger.submit(tagged)
    assert ledger.full_limit(tagged) == 1
    assert ledger.full_limit(plain) is None
    ledger.submit(plain)
    assert ledger.full_limit(plain) == 0
    ledger.end(tagged, has_begun=False)
    assert ledger.full_limit(tagged) is None


def test_admission_leaves_to_ray_what_ray_holds() -> None:
    placement = choose_placement(
        plan_of({"db": "x"}), OWN, run_id="r", max_concurrent=1, tag_limits=[TagLimit("db", 1)]
    )
    ledger = LimitLedger(placement)
    for _ in range(5):
        assert ledger.full_limit(0) is None
        ledger.submit(0)
