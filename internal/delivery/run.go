package delivery

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
)

// Run executes an operation for one receiver, until it has ended or the receiver is gone.
func Run(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, to Receiver) {
	ctx, failures := WithFailures(graphql.WithOperationContext(ctx, op))
	responses, ctx := exec.DispatchOperation(ctx, op)
	for {
		response := responses(ctx)
		if response == nil {
			break
		}
		if response.Data == nil && len(response.Errors) > 0 {
			to.End(response.Errors) // nothing was executed
			return
		}
		if !to.Replay(ctx, &Result{JSON: Encode(response)}) {
			return
		}
	}
	if errs := failures.List(); len(errs) > 0 {
		to.End(exec.DispatchError(ctx, errs).Errors)
		return
	}
	to.End(nil)
}

// Encode writes a response as a Result has it. It panics when a resolver's scalar wrote what is not JSON, as gqlgen
// does for what a resolver does wrong.
func Encode(response *graphql.Response) []byte {
	text, err := json.Marshal(response)
	if err != nil {
		panic(fmt.Errorf("a response can't be written: %w", err))
	}
	return text
}
