.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types check

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: ## Python, packages, tokens, session table
	./manage_services.sh setup

demo: ## one whole synthetic day, without keys
	./manage_services.sh demo

test: ## everything CI runs
	./manage_services.sh test

lint: ## ruff: check and format
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: ## mypy, strict
	.venv/bin/python -m mypy

check: lint types ## quick: lint, types and the tests that start no processes
	.venv/bin/python -m pytest -q -m "not services"
