# Two commands do everything: `make local` and `make test`. See CONTRIBUTING.md and docs/running-locally.md.
.POSIX:
.SUFFIXES:
.PHONY: local postgres-demo test check bench install chromium redis clean help

run = PATH="$$PWD/node_modules/.bin:$$PATH"

local: install ## the whole loop on this machine; UP="--scenario five" passes options
	@exec bin/evenkeel up $(UP)

postgres-demo: install ## a real PostgreSQL under bursts of reports, naive and gated; UP="--load light" passes options
	@exec bin/evenkeel postgres-demo $(UP)

test: install chromium redis ## every test; TEST=test/platform runs a part
	@$(run) npm test --silent -- --maxWorkers=2 $(TEST)

check: install ## format, lint, types, import rules
	@$(run) npm run --silent check

install: ## what is missing, nothing else
	@sh local/install.sh

chromium: ## a browser for the tests, unless there is one
	@sh local/chromium.sh

redis: ## a Redis for the tests of BullMQ, unless there is one
	@sh local/redis.sh

clean: ## remove what was built and installed here; the local cloud's state goes, too
	@if [ -x node_modules/.bin/node ]; then bin/evenkeel down; fi
	rm -rf node_modules .local cdk.out coverage

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile
