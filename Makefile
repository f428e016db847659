# What a person types. Each target says what it installs before it does so.

# The build that `make run` starts: `dev` is built in half the time of `release`.
profile ?= dev

.DEFAULT_GOAL := help
.PHONY: help run test check bench bench-quick

help: ## Says what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

run: ## Starts Drover on this machine, with a container that works
	@PROFILE=$(profile) scripts/run

test: ## Runs all tests, against real PostgreSQL, NATS, etcd and Docker
	@scripts/test

check: ## Checks format, lints, documentation and the arrows between crates
	@scripts/check

bench: ## Measures Drover on this machine, in about an hour
	@scripts/bench

bench-quick: ## Measures a tenth of that, in under three minutes
	@scripts/bench quick
