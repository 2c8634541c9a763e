"""What needs attention, in a line of its own above everything else."""

# With less, the disk is told in red.
DISK_DAYS = 30


def needed(found: dict) -> list[str]:
    """Everything that the sections show in red, in the order in which it harms; empty if there is nothing."""
    server, backups = found["server"], found["backups"]
    late = sum(row["late"] for row in found["freshness"] or ())
    jobs = sum(not row["healthy"] for row in found["jobs"] or ())
    days = found["disk"]["days_until_full"]
    told = []
    if server["complete"] is False:
        told.append("the schema is not complete")
    if server["difference"]:
        told.append("TimescaleDB differs from what the server has")
    if days and days < DISK_DAYS:
        told.append(f"disk full in {days} day{'s' if days > 1 else ''}")
    if late:
        told.append(f"{late} of {len(found['freshness'])} machines late")
    if jobs:
        told.append(f"{jobs} job{'s' if jobs > 1 else ''} not well")
    if backups and not backups["count"]:
        told.append("no backup")
    elif backups and backups["tried"] and backups["tried"]["failure"]:
        told.append("a restore failed")
    return told
