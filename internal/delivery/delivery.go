// Package delivery is where those who make the responses of subscriptions and the connections that carry them meet:
// a response is encoded once, as a Result, and handed to every Receiver that asked for it, over whichever protocol.
package delivery

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Result is one response of a subscription, encoded once for all who get it. Nobody changes it once it was delivered.
type Result struct {
	// JSON is the GraphQL response: an object on one line.
	JSON []byte
	// Latest is the key of what a newer result with the same key replaces, such as a device's presence, for readers
	// that are too slow to get both; "": nothing does.
	Latest string
	// Cursor is where to go on after this result; "": it has none.
	Cursor string
}

// Receiver is one client's subscription. Its methods may be called from any goroutine; results go out in the order
// of the calls.
type Receiver interface {
	// Deliver hands over results, and never waits: what a slow reader has no room for is dropped by the operator's
	// rule. Several at once go out in one write. false: the client is gone, or has stopped the subscription.
	Deliver(results ...*Result) bool
	// Replay is Deliver for who can wait, such as a replay of what was missed: it returns when there was room for the
	// result, and drops none. false as for Deliver, or because ctx is done.
	Replay(ctx context.Context, result *Result) bool
	// End tells the client that nothing more comes, with the errors, as clients may see them, that are why; nil: it is
	// complete. It never waits, and what is delivered later goes nowhere.
	End(errs gqlerror.List)
}

// Share offers a subscription to be run together with others that ask for the same and may see the same. It may wait
// for what it needs to know, and deliver before it returns; it may even run it to its end. When it takes the subscription, leave ends it: leave does
// not wait, may be called more than once and after End, and results that are on their way may still be delivered. When
// not ok, nothing was delivered, and the subscription is to be run alone. ctx, without the operation in it, is that of
// the subscription: it ends with it.
type Share func(ctx context.Context, exec graphql.GraphExecutor, op *graphql.OperationContext, to Receiver) (leave func(), ok bool)
