"""The sections of the screen: each makes a title, columns, rows and closing lines of what was found; None if it knows nothing."""

from collections import Counter, defaultdict

from scripts.status import words
from scripts.status.attention import DISK_DAYS

Section = tuple[str, tuple[str, ...], list[tuple[str, ...]], list[str]]
# Of what is well, so many are listed.
MACHINES, STATEMENTS = 12, 3
LEVELS = {"_1min": "1 min", "_15min": "15 min", "_1hour": "1 hour", "_1day": "1 day", "_degree_days_daily": "1 day"}
FACTS = {"energy_readings": "energy", "energy_by_carrier": "other carriers", "production_data": "production", "environmental_data": "environment",
         "environmental": "environment"}  # fmt: skip


def storage(found: dict, everything: bool) -> Section | None:
    """Bytes by kind of reading and level of rollup, and what compression saved."""
    if found["sizes"] is None:
        return None
    places: dict[str, dict[str, dict]] = defaultdict(dict)
    rest = []
    for row in found["sizes"]:
        suffix = next((suffix for suffix in LEVELS if row["relation"].endswith(suffix)), "")
        fact = FACTS.get(row["relation"].removesuffix(suffix)) if row["kind"] != "table" else None
        if fact:
            places[fact][LEVELS.get(suffix, "raw")] = row
        else:
            rest.append(row)
    rows = []
    for fact in dict.fromkeys(FACTS.values()):
        levels = places.get(fact, {})
        if not levels:
            continue
        before = sum(row["before_compression_bytes"] or 0 for row in levels.values())
        after = sum(row["after_compression_bytes"] or 0 for row in levels.values())
        chunks = f"{sum(row['compressed_chunks'] for row in levels.values())} of {sum(row['chunks'] for row in levels.values())}"
        saved = f"{100 - 100 * after / before:.0f} %" if before else "-"
        sizes = (words.size(levels[level]["total_bytes"]) if level in levels else "-" for level in ("raw", "1 min", "15 min", "1 hour", "1 day"))
        rows.append((fact, *sizes, chunks, saved))
    other = f"Other tables: {words.size(sum(row['total_bytes'] for row in rest))}"
    if rest and rest[0]["total_bytes"] >= 1e6:
        other += f", the largest {words.name(rest[0]['relation'])} with {words.size(rest[0]['total_bytes'])}"
    if found["server"]["edition"] == "apache-2":
        other += ". Rollups are views on this edition, and take nothing"
    return "Size on disk, with indexes", ("", ">raw", ">1 min", ">15 min", ">1 hour", ">1 day", ">compressed", ">saved"), rows, [other]


def machines(found: dict, everything: bool) -> Section | None:
    """The newest reading against the interval, and the readings of a day; late machines first."""
    if found["freshness"] is None:
        return None
    days: dict[str, list[dict]] = defaultdict(list)
    for row in found["ingest"] or ():
        days[str(row["machine_id"])].append(row)
    late = [row for row in found["freshness"] if row["late"]]
    shown = found["freshness"] if everything else found["freshness"][: max(MACHINES, len(late))]
    if not everything:
        shown = shown[: 3 * MACHINES]
    namesakes = Counter(row["machine_name"] for row in found["freshness"])
    rows = []
    for row in shown:
        newest = f"{words.span(row['age_seconds'])} ago" if row["last_reading"] else "no reading"
        ingest = days.get(str(row["machine_id"]), [])
        week = ingest[1:]
        mean = sum(day["energy_readings"] for day in week) / len(week) if week else None
        expected = sum(day["expected_energy_readings"] for day in week)
        coverage = f"{100 * sum(day['energy_readings'] for day in week) / expected:.0f} %" if expected else "-"
        counts = [words.count(day["energy_readings"]) for day in ingest[:2]] or ["-", "-"]
        if row["late"]:
            newest = f"[bold red]LATE {newest}[/]"
        name = row["machine_name"] if namesakes[row["machine_name"]] == 1 else f"{row['factory_name']} / {row['machine_name']}"
        rows.append((
            words.name(name), words.span(row["data_interval_seconds"]), newest, *counts,
            "-" if mean is None else words.count(round(mean)), coverage))  # fmt: skip
    hidden = len(found["freshness"]) - len(rows)
    end = [f"and {hidden} more, {max(0, len(late) - len(rows)) or 'none'} of them late: --all lists them"] if hidden else []
    title = f"Machines: {f'[red]{len(late)} late[/] of ' if late else ''}{len(found['freshness'])}, and their energy readings by day (UTC)"
    columns = "=machine", ">every", ">newest", ">today", ">yesterday", ">mean 7 d", ">of due"
    return title, columns, rows, end


def jobs(found: dict, everything: bool) -> Section | None:
    """Jobs that are not well one by one, the others by kind."""
    if not found["jobs"]:
        return None
    rows, kinds = [], defaultdict(list)
    for job in found["jobs"]:
        if everything or not job["healthy"]:
            state = job["state"] if job["healthy"] else f"[bold red]{job['state'].upper()}[/]"
            name = f"{job['job_id']} {job['kind']} {job['target'] or ''}"
            rows.append((words.name(name), state, words.ago(job["last_success"]), words.ahead(job["next_start"])))
        else:
            kinds[job["kind"]].append(job)
    for kind, of in kinds.items():
        states = ", ".join(f"{number} {state}" for state, number in Counter(job["state"] for job in of).items())
        done = [job["last_success"] for job in of if job["last_success"]]
        due = [job["next_start"] for job in of if job["next_start"]]
        oldest = f"all in {words.ago(min(done)).removesuffix(' ago')}" if len(done) == len(of) > 1 else words.ago(min(done, default=None))
        rows.append((words.name(f"{kind}: {len(of)}"), states, oldest, words.ahead(min(due, default=None))))
    bad = sum(not job["healthy"] for job in found["jobs"])
    title = f"Jobs: {f'[red]{bad} not well[/] of ' if bad else ''}{len(found['jobs'])}"
    return title, ("~job", "state", ">last success", ">next start"), rows, []


def statements(found: dict, everything: bool) -> Section | None:
    """What the server spent most time on in this database."""
    if not found["statements"]:
        return None
    shown = found["statements"] if everything else found["statements"][:STATEMENTS]
    rows = [
        (words.duration(float(row["total_ms"])), words.count(row["calls"]), words.duration(float(row["mean_ms"])),
         words.duration(float(row["max_ms"])), words.name(row["statement"]))
        for row in shown
    ]  # fmt: skip
    return "Statements that took the most time", (">in all", ">calls", ">mean", ">longest", "~statement"), rows, []


def disk(found: dict, everything: bool) -> Section | None:
    """What the database will take, and until when that fits."""
    told = found["disk"]
    if "bytes_now" not in told:
        return None
    lines = []
    if told["bytes_per_day"] is None:
        lines.append("There is less than an hour of readings, too little to tell what a day brings")
    elif not told["bytes_per_day"]:
        lines.append("No readings in the last seven days, so nothing to reckon from")
    else:
        kept = told["kept_days"]
        raw = f"raw readings {words.size(told['bytes_at_retention'])} when {float(kept):.0f} days of them are kept; " if kept else ""
        lines.append(f"A day brings {words.size(told['bytes_per_day'])} before compression; {raw}in all {words.size(told['bytes_in_a_year'])} in a year")
    free = told["free_bytes"]
    if free is None:
        lines.append("Free space: not to be seen from here")
    elif told["bytes_per_day"]:
        days = told["days_until_full"]
        until = f"[bold red]full in {days} days[/]" if days and days < DISK_DAYS else f"full in {days} days" if days else "enough for ten years"
        lines.append(f"Free: {words.size(free)}, {until}, as far as this database fills it")
    else:
        lines.append(f"Free: {words.size(free)}")
    return "Disk", (), [], lines


def backups(found: dict, everything: bool) -> Section | None:
    """How many, how old, and whether one was ever restored."""
    told = found["backups"]
    if told is None:
        return None
    if not told["count"]:
        return "Backups", (), [], ["[bold red]There is none[/]: make backup"]
    line = f"{told['count']}, the newest {told['newest']['age']} old, the oldest {told['oldest']['age']}; "
    tried = told["tried"]
    if tried is None:
        line += "[yellow]none was ever restored[/]: make restore-test"
    elif tried["failure"]:
        line += f"[bold red]the restore of that of {tried['age']} ago FAILED[/] on {tried['at'][:10]}: make backups says why"
    else:
        line += f"that of {tried['age']} ago was restored and verified on {tried['at'][:10]}"
    return "Backups", (), [], [line]


SECTIONS = storage, machines, jobs, statements, disk, backups
