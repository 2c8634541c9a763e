# `make` alone lists the tasks. The work is done by scripts/engine.py and verify/.

.DEFAULT_GOAL := help
.SILENT:
SHELL := /bin/sh

# auto, docker or embedded; arguments for the task; 1 to delete without asking.
ENGINE ?= auto
ARGS ?=
FORCE ?=
# Days of readings that the benchmark loads, and machines at 10 s in place of the seed's seven.
BENCH_DAYS ?= 30
BENCH_MACHINES ?=
# The backup that is restored; the file that is imported (- is standard input), and the machine that its readings are of.
FILE ?=
CSV ?=
MACHINE ?=
export ENGINE BENCH_DAYS BENCH_MACHINES CSV MACHINE

PYTHON := .venv/bin/python
RUN := $(PYTHON) -m scripts.engine

.PHONY: help up down psql status logs verify apply import demo kpis report backup backups restore restore-test clean test smoke bench

help: ## List the tasks
	sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

up: .venv/ready ## Start a verified database (ENGINE=docker or embedded to choose the engine)
	$(RUN) up

down: .venv/ready ## Stop the database; the data stays
	$(RUN) down

psql: .venv/ready ## Open psql (ARGS='-c "select 1"' is passed on)
	$(RUN) psql $(ARGS)

status: .venv/ready ## Show the database in one screen: server, sizes, readings, jobs, disk, backups
	$(RUN) status $(ARGS)

logs: .venv/ready ## Show the end of the server's log (ARGS=-f follows it)
	$(RUN) logs $(ARGS)

verify: .venv/ready ## Compare the database with its specification (ARGS='--format json' is passed on)
	$(RUN) verify $(ARGS)

apply: .venv/ready ## Bring the database up to this checkout's schema, and its TimescaleDB up to the server's
	$(RUN) apply

import: .venv/ready-tools ## Bring history in (CSV=readings.csv MACHINE=Compressor-1; ARGS=--help tells the rest)
	$(PYTHON) -m scripts.history "$$CSV" --machine "$$MACHINE" $(ARGS)

demo: .venv/ready ## Give the seed machines 14 days of readings, then go on live until Ctrl-C
	$(PYTHON) -m scripts.demo $(ARGS)

kpis: .venv/ready ## Show energy, peak, SEC, cost and CO2 by machine and factory (ARGS='--range week' is passed on)
	$(PYTHON) -m scripts.kpis $(ARGS)

report: .venv/ready-tools ## Write last month's figures with charts into report.html (ARGS='--range today' is passed on)
	$(PYTHON) -m scripts.kpis --format html --range last-month --output report.html $(ARGS)

backup: ## Back up the running database into backups/, keeping the newest 7
	sh scripts/backup.sh

backups: .venv/ready ## List the backups: age, size, verified or not
	$(RUN) backups

restore: ## Put a backup in the database's place, once it is restored beside it and verified (FILE=backups/NAME)
	sh scripts/restore.sh "$(FILE)"

restore-test: .venv/ready ## Restore the newest backup into a throw-away database, verify it, report
	$(RUN) restore-test

clean: .venv/ready ## Delete the database and all its data, after asking (FORCE=1 does not ask)
	$(RUN) clean $(if $(filter 1,$(FORCE)),--force)

test: .venv/ready-test ## Run the test suite (ARGS='-k name' is passed on)
	$(PYTHON) -m pytest $(ARGS)

smoke: ## Do what CI does: up, verify, test, backup and restore-test, in a copy of this folder
	sh scripts/smoke.sh

bench: .venv/ready-tools ## Measure the speed against plain PostgreSQL (BENCH_DAYS=3 is quicker)
	$(PYTHON) -m scripts.bench $(ARGS)

# The tools' Python packages, installed once and again whenever pyproject.toml changes.
.venv/ready: pyproject.toml
	sh scripts/venv.sh .
	touch $@

.venv/ready-tools: pyproject.toml .venv/ready
	sh scripts/venv.sh '.[tools]'
	touch $@

.venv/ready-test: pyproject.toml .venv/ready
	sh scripts/venv.sh '.[test]'
	touch $@
