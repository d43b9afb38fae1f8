// Package screens holds the screens of the old Flyve dashboard, each as one GraphQL operation (operations/*.graphql),
// and measures what they cost GLPI and the one who waits: through the gateway, and as the sequence of REST calls that
// the old dashboard made. The tests bound the calls; the numbers of docs/benchmarks.md are made by
//
//	go test ./bench/screens -run '^$' -bench . -benchtime 9x
package screens
