# Everything a newcomer needs: make demo, make test.
.PHONY: demo test test-long lint bench build cluster

build: ## the static binary, as the Dockerfile builds it
	.ci/build

demo: ## the main job on an embedded repository: no account, no cluster
	go run ./cmd/oakum demo

test: ## every test, with GitHub's own description of its interface as a judge, and a PostgreSQL; 'make lint' vets
	.ci/openapi.sh
	.ci/webhooks.sh
	.ci/postgres .ci/test

test-long: ## the same, with 200,000 random edits of real manifests
	.ci/openapi.sh
	.ci/webhooks.sh
	OAKUM_STRICT=1 OAKUM_LONG=1 .ci/postgres go test -vet=off -timeout 60m ./...

cluster: ## a real API server on loopback with the demo's objects in it, to try oakum against
	cd test/apiserver && go run ./cluster $(abspath testdata/shop/repo/apps testdata/shop/repo/platform)

lint:
	.ci/lint

bench:
	go test -run '^$$' -bench . -benchmem ./...
