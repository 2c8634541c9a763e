"""A plant to look at: readings of the seed's machines that are made up, written as a collector writes real ones.

Every value is a function of the seed, the machine and the time alone, so any run gives any time the same readings.
"""
