"""Body of ``cluster doctor``: the findings about a cluster as lines or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, with_exit_code
from rayexec.cli.printable import printable_line
from rayexec.cli.signals import EndingSignals
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.cluster import releasing
from rayexec.cluster.doctor import Finding, examine
from rayexec.cluster.examination import gather

__all__ = ["examine_from_shell"]


@with_exit_code
def examine_from_shell(address: str | None, *, as_json: bool) -> int:
    """Print the findings of each check; return 1 if one of them is a problem."""
    with results_on_stdout() as results, EndingSignals():
        release = releasing()
        try:
            facts = gather(address)
        finally:
            release()
        findings = examine(facts)
        problems = sum(finding.level == "problem" for finding in findings)
        if as_json:
            write_json(
                results,
                {
                    "address": facts.address,
                    "problems": problems,
                    "findings": [finding._asdict() for finding in findings],
                },
            )
        else:
            results.writelines(f"{line}\n" for line in _lines(findings))
    return FAILED if problems else SUCCEEDED


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        # Messages of Ray and file systems may have several lines.
        text = " ".join(
            (
                f"{finding.text.rstrip('.')}. {finding.advice}" if finding.advice else finding.text
            ).split()
        )
        yield printable_line(f"{finding.level:<7}  {finding.check:<{width}}  {text}")
