"""``cluster doctor``: what would keep runs from working on a cluster, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, with_exit_code
from rayexec.cli.signals import EndingSignals
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.cluster import releasing
from rayexec.cluster.doctor import Finding, examine
from rayexec.cluster.examination import gather

__all__ = ["examine_from_shell"]


@with_exit_code
def examine_from_shell(address: str | None, *, as_json: bool) -> int:
    """Print the findings of each check; 1 where one of them is a problem."""
    with results_on_stdout() as results, EndingSignals():
        release = releasing()
        try:
            facts = gather(address)
        finally:
            release()
        findings = examine(facts)
        problems = sum(each.level == "problem" for each in findings)
        if as_json:
            write_json(
                results,
                {
                    "address": facts.address,
                    "problems": problems,
                    "findings": [each._asdict() for each in findings],
                },
            )
        else:
            results.writelines(f"{line}\n" for line in _lines(findings))
    return FAILED if problems else SUCCEEDED


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    width = max(len(each.check) for each in findings)
    for each in findings:
        # What Ray and file systems say may have lines of its own.
        text = " ".join(
            (f"{each.text.rstrip('.')}. {each.advice}" if each.advice else each.text).split()
        )
        yield f"{each.level:<7}  {each.check:<{width}}  {text}"
