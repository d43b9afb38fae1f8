package delivery

// waiting is one thing that waits to be written: a frame, or a result that becomes one when it is written.
type waiting struct {
	frame  []byte // ready to go out; nil: a result
	result *Result
	stream *Stream // whose result
	kept   bool    // never dropped: somebody waited for its room
}

func (w waiting) size() int {
	if w.result != nil {
		return len(w.result.JSON)
	}
	return len(w.frame)
}

// queue is what waits for a connection. It is bounded in frames and bytes, and holds next to nothing while it is
// empty: most connections are idle.
type queue struct {
	items []waiting
	bytes int
}

// room tells whether something of a size fits in. What alone is over the byte limit goes through when nothing else waits: the limit is for readers that don't keep
// up, not for large answers.
func (q *queue) room(size, maxFrames, maxBytes int) bool {
	return len(q.items) == 0 || len(q.items) < maxFrames && q.bytes+size <= maxBytes
}

func (q *queue) push(w waiting) {
	q.items = append(q.items, w)
	q.bytes += w.size()
}

// pop removes the oldest.
func (q *queue) pop() waiting {
	w := q.items[0]
	q.items[0] = waiting{}
	q.bytes -= w.size()
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	return w
}

func (q *queue) clear() { *q = queue{} }

// keepLatest drops the results that a slow reader may miss: those that a later one replaces, and those that nothing
// replaces. Their streams remember that something is missing. It returns how many were dropped.
func (q *queue) keepLatest() int {
	type key struct {
		stream *Stream
		latest string
	}
	replaced := map[key]bool{}
	kept := len(q.items) // from here on
	for i := len(q.items) - 1; i >= 0; i-- {
		w := q.items[i]
		if w.result != nil && !w.kept && !w.stream.over {
			k := key{w.stream, w.result.Latest}
			if k.latest == "" || replaced[k] {
				w.stream.missed = true
				q.bytes -= w.size()
				continue
			}
			replaced[k] = true
		}
		kept--
		q.items[kept] = w
	}
	clear(q.items[:kept])
	q.items = q.items[kept:]
	return kept
}
