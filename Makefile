.PHONY: demo test real lint generate bench

demo: ## run everything embedded
	go run . demo

test: ## the tests that need nothing but Go
	go test ./...

real: ## all tests, with the race detector and real servers (see .ci/run)
	FLEETGATE_REAL=1 go test -race -timeout 20m ./...

lint: ## vet, staticcheck, format
	go vet ./...
	go tool staticcheck ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }

generate: ## what gqlgen makes of the schema
	go generate . ./bench/peers/gqlgen

bench: ## measure everything beside the peers, and write docs/benchmarks.md anew
	go run ./bench -out docs/benchmarks.md
