"""What workers do: rq worker --url redis://127.0.0.1:6381/1 reports"""

import os


def write_report(title):
    """One line for each report, in a single small append."""
    with open(os.environ.get("REPORTS", "reports.txt"), "a") as reports:
        reports.write(f"{title}\n")
    return title
