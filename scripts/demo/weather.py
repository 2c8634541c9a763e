"""The weather of a factory, and other things that wander slowly."""

import math
from datetime import datetime
from functools import lru_cache

from scripts.demo.events import random
from scripts.demo.plant import CLIMATES, TEMPERATE, Machine


@lru_cache(maxsize=4096)
def _mark(key: tuple, number: int) -> float:
    return 2 * random(*key, number).random() - 1


def wander(epoch: float, hours: float, *key: object) -> float:
    """A value from -1 to 1 that takes about `hours` to become another, smoothly."""
    number, rest = divmod(epoch / (hours * 3600), 1)
    smooth = rest * rest * (3 - 2 * rest)
    return _mark(key, int(number)) * (1 - smooth) + _mark(key, int(number) + 1) * smooth


def outdoor(seed: int, machine: Machine, epoch: int, local: datetime) -> tuple[float, float]:
    """Temperature in degrees Celsius and relative humidity in % outside a machine's factory."""
    mean, season, day = CLIMATES.get(machine.timezone, TEMPERATE)
    # Coldest in the middle of January and at five in the morning.
    warmth = -math.cos(2 * math.pi * (local.timetuple().tm_yday - 15) / 365.25)
    hour = -math.cos(2 * math.pi * (local.hour + local.minute / 60 - 4) / 24)
    clouds = wander(epoch, 20, seed, machine.factory, "clouds")
    front = wander(epoch, 60, seed, machine.factory, "front")
    temperature = mean + season * warmth + day * hour * (0.7 + 0.3 * clouds) + 4 * front
    humidity = 68 - 14 * hour - 12 * clouds + 3 * front
    return temperature, min(98.0, max(25.0, humidity))
