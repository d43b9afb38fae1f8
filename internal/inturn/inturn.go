// Package inturn does things one after another, for as long as none of them has to wait. When one has to, the others go on
// beside it. So what is at hand costs no goroutines, and what is not is waited for all at once.
package inturn

import (
	"context"
	"sync"
	"sync/atomic"
)

// Row is a row of things to be done. It can be used once. To those that are done it is their context, too, which spares an
// allocation for each row.
type Row struct {
	context.Context

	count    int32
	do       func(ctx context.Context, i int)
	next     atomic.Int32
	left     sync.WaitGroup // things that are not done
	panicked atomic.Pointer[any]
}

type rowKey struct{}

// Value gives a value of the context, and the row itself to Waits.
func (r *Row) Value(key any) any {
	if key == (rowKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// Do calls do for 0 to count-1, each with a context in which it calls Waits before it waits, and returns when all have
// returned. It panics as the first that panicked.
func (r *Row) Do(ctx context.Context, count int, do func(ctx context.Context, i int)) {
	r.Context, r.count, r.do = ctx, int32(count), do
	r.left.Add(count)
	r.goOn()
	r.left.Wait()
	if p := r.panicked.Load(); p != nil {
		panic(*p)
	}
}

// goOn does what nobody has begun.
func (r *Row) goOn() {
	for i := r.next.Add(1) - 1; i < r.count; i = r.next.Add(1) - 1 {
		r.one(int(i))
	}
}

func (r *Row) one(i int) {
	defer r.left.Done()
	defer func() {
		if p := recover(); p != nil {
			r.panic(p)
		}
	}()
	r.do(r, i)
}

func (r *Row) panic(p any) { r.panicked.CompareAndSwap(nil, &p) }

// Waits tells that whoever calls is going to wait: what is next in its row, and in the rows that this is a part of, goes on
// in other goroutines. They end with their rows.
func Waits(ctx context.Context) {
	for r, _ := ctx.Value(rowKey{}).(*Row); r != nil; r, _ = r.Context.Value(rowKey{}).(*Row) {
		if r.next.Load() < r.count {
			go r.goOn()
		}
	}
}
