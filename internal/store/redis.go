package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is the store that replicas share: Redis 6.2 or later, or what speaks as it does. All keys begin with
// "fleetgate:".
type Redis struct {
	client *redis.Client
	ctx    context.Context // ends with Close
	close  context.CancelFunc
}

// longestWait is how long a Read that waits asks Redis at once, so that Close need not wait longer.
const longestWait = time.Second

// OpenRedis reads an address such as redis://user:password@host:6379/0 (rediss:// for TLS) and makes no
// connection yet. The error never holds the address: a password may be in it.
func OpenRedis(address string) (*Redis, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		return nil, errors.New("not an address like redis://host:6379/0 or rediss://host:6379/0")
	}
	options.ReadTimeout, options.WriteTimeout, options.DialTimeout = 3*time.Second, 3*time.Second, 3*time.Second
	options.ContextTimeoutEnabled = true
	r := &Redis{client: redis.NewClient(options)}
	r.ctx, r.close = context.WithCancel(context.Background())
	return r, nil
}

// Check asks Redis for a sign of life.
func (r *Redis) Check(ctx context.Context) error {
	if err := r.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Close ends the connections.
func (r *Redis) Close() error {
	r.close()
	return r.client.Close()
}

func valueKey(bucket, key string) string { return "fleetgate:" + bucket + ":" + key }
func logKey(log string) string           { return "fleetgate:log:" + log }

// Get is Store's.
func (r *Redis) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	value, err := r.client.Get(ctx, valueKey(bucket, key)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return value, err
}

// keysAtOnce bounds what one command names.
const keysAtOnce = 500

// GetMany is Store's.
func (r *Redis) GetMany(ctx context.Context, bucket string, keys []string) ([][]byte, error) {
	values := make([][]byte, 0, len(keys))
	for some := range slices.Chunk(keys, keysAtOnce) {
		names := make([]string, len(some))
		for i, key := range some {
			names[i] = valueKey(bucket, key)
		}
		found, err := r.client.MGet(ctx, names...).Result()
		if err != nil {
			return nil, err
		}
		for _, value := range found {
			if text, there := value.(string); there {
				values = append(values, []byte(text))
			} else {
				values = append(values, nil)
			}
		}
	}
	return values, nil
}

// Put is Store's.
func (r *Redis) Put(ctx context.Context, bucket, key string, value []byte, ttl time.Duration) error {
	return r.client.Set(ctx, valueKey(bucket, key), present(value), ttl).Err()
}

// swap compares and writes in one step. ARGV: whether there must be an old value, the old value, whether there
// is a new one, the new one, its life in milliseconds.
var swap = redis.NewScript(`
local found = redis.call('GET', KEYS[1])
if ARGV[1] == '0' and found then return 0 end
if ARGV[1] == '1' and found ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1]) return 1 end
if ARGV[5] == '0' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end
return 1`)

// Swap is Store's.
func (r *Redis) Swap(ctx context.Context, bucket, key string, old, new []byte, ttl time.Duration) (bool, error) {
	flag := func(value []byte) string {
		if value == nil {
			return "0"
		}
		return "1"
	}
	done, err := swap.Run(ctx, r.client, []string{valueKey(bucket, key)},
		flag(old), present(old), flag(new), present(new), ttl.Milliseconds()).Int()
	return done == 1, err
}

// Delete is Store's.
func (r *Redis) Delete(ctx context.Context, bucket, key string) error {
	return r.client.Del(ctx, valueKey(bucket, key)).Err()
}

// pattern keeps a bucket's name from being read as a wildcard.
var pattern = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)

// Each is Store's.
func (r *Redis) Each(ctx context.Context, bucket string, visit func(key string, value []byte) bool) error {
	prefix := valueKey(bucket, "")
	found := r.client.Scan(ctx, 0, pattern.Replace(prefix)+"*", 500).Iterator()
	seen := map[string]bool{} // SCAN may tell a key twice
	for found.Next(ctx) {
		name := found.Val()
		if seen[name] {
			continue
		}
		seen[name] = true
		value, err := r.client.Get(ctx, name).Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return err
		}
		if !visit(strings.TrimPrefix(name, prefix), value) {
			return nil
		}
	}
	return found.Err()
}

// count begins the counter's life with its first count.
var count = redis.NewScript(`
if ARGV[1] == '0' then return tonumber(redis.call('GET', KEYS[1]) or '0') end
local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[2] ~= '0' and redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return n`)

// Count is Store's.
func (r *Redis) Count(ctx context.Context, bucket, key string, by int64, ttl time.Duration) (int64, error) {
	return count.Run(ctx, r.client, []string{valueKey(bucket, key)}, by, ttl.Milliseconds()).Int64()
}

// Append is Store's. The entries go together or not at all.
func (r *Redis) Append(ctx context.Context, log string, bounds Bounds, entries ...[]byte) error {
	_, err := r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, entry := range entries {
			p.XAdd(ctx, &redis.XAddArgs{Stream: logKey(log), Values: []any{"v", entry}})
		}
		if bounds.Entries > 0 {
			p.XTrimMaxLenApprox(ctx, logKey(log), int64(bounds.Entries), 0)
		}
		if bounds.Age > 0 {
			oldest := strconv.FormatInt(time.Now().Add(-bounds.Age).UnixMilli(), 10)
			p.XTrimMinIDApprox(ctx, logKey(log), oldest, 0)
		}
		return nil
	})
	return err
}

// Read is Store's.
func (r *Redis) Read(ctx context.Context, log string, after ID, limit int, wait bool) ([]Entry, error) {
	block := time.Duration(-1) // don't
	if wait {
		block = longestWait
	}
	for {
		streams, err := r.client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{logKey(log), after.String()}, Count: int64(limit), Block: block,
		}).Result()
		switch {
		case r.ctx.Err() != nil:
			return nil, ErrClosed
		case errors.Is(err, redis.Nil) && wait && ctx.Err() == nil:
			continue
		case errors.Is(err, redis.Nil):
			return nil, ctx.Err()
		case err != nil && outOfTime(ctx):
			return nil, context.DeadlineExceeded
		case err != nil:
			return nil, err
		case len(streams) == 1:
			return entriesOf(streams[0].Messages)
		}
		return nil, errors.New("redis: an answer about other logs")
	}
}

// outOfTime says whether a deadline has passed: the connection keeps it too, and may notice before the context does.
func outOfTime(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return limited && !time.Now().Before(deadline)
}

// Tail is Store's.
func (r *Redis) Tail(ctx context.Context, log string, limit int) ([]Entry, error) {
	newest, err := r.client.XRevRangeN(ctx, logKey(log), "+", "-", int64(limit)).Result()
	if err != nil {
		return nil, err
	}
	for i, j := 0, len(newest)-1; i < j; i, j = i+1, j-1 {
		newest[i], newest[j] = newest[j], newest[i]
	}
	return entriesOf(newest)
}

func entriesOf(messages []redis.XMessage) ([]Entry, error) {
	entries := make([]Entry, 0, len(messages))
	for _, m := range messages {
		id, err := parseID(m.ID)
		if err != nil {
			return nil, err
		}
		value, _ := m.Values["v"].(string)
		entries = append(entries, Entry{id, bytes.Clone([]byte(value))})
	}
	return entries, nil
}

// String is the ID as Redis writes it.
func (i ID) String() string { return fmt.Sprintf("%d-%d", i.Millisecond, i.Sequence) }

func parseID(text string) (ID, error) {
	ms, sequence, _ := strings.Cut(text, "-")
	m, err1 := strconv.ParseUint(ms, 10, 64)
	s, err2 := strconv.ParseUint(sequence, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return ID{}, fmt.Errorf("redis: %q is no place in a log: %w", text, err)
	}
	return ID{m, s}, nil
}

var _ Store = (*Redis)(nil)
