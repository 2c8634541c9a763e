"""Who works when, by the factory's clock."""

from datetime import datetime

from scripts.demo.events import random

# Begin and end of a shift, h, and what it gets done compared with the best one.
EARLY, LATE, WEEKEND = (6.0, 14.0, 1.0), (14.0, 22.0, 0.85), (6.0, 14.0, 0.6)
# The factory that works on Sundays as on Saturdays.
SUNDAYS_TOO = "22222222-2222-2222-2222-222222222222"
BREAKS = (9.0, 9.25), (12.0, 12.5), (17.0, 17.25), (19.5, 20.0)


def shifts(factory: str, weekday: int) -> tuple[tuple[float, float, float], ...]:
    """Shifts of a factory on a day of the week, 0 for Monday."""
    return (EARLY, LATE) if weekday < 5 else (WEEKEND,) if weekday == 5 or factory == SUNDAYS_TOO else ()


def opening(factory: str, weekday: int) -> tuple[float, float]:
    """Hours at which the first shift begins and the last one ends; the same hour twice if there is none."""
    hours = [hour for begin, end, _ in shifts(factory, weekday) for hour in (begin, end)]
    return (min(hours), max(hours)) if hours else (0.0, 0.0)


def activity(seed: int, factory: str, local: datetime) -> tuple[float, bool]:
    """How busy the factory is, from 0 (nobody there) to 1, and whether there is a break."""
    hour = local.hour + local.minute / 60
    for begin, end, busy in shifts(factory, local.weekday()):
        if begin - 0.2 <= hour < end:
            # The people of a shift are never there on the minute, and never the same number.
            draw = random(seed, factory, local.date(), begin).random
            late, share = 0.2 * draw() - 0.1 if begin == 6 else 0, 0.92 + 0.08 * draw()
            if hour >= begin + late:
                return busy * share, any(first <= hour < last for first, last in BREAKS)
    return 0.0, False
