package settings

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// QuietHours are a time of the day, every day, in one time zone.
type QuietHours struct {
	from, to int // minutes since midnight; from is after to where midnight lies between
	zone     *time.Location
	text     string
}

// String is how the hours were written.
func (q *QuietHours) String() string { return q.text }

// Contains says whether a moment is within the hours: from the first minute on, and before the last.
func (q *QuietHours) Contains(at time.Time) bool {
	local := at.In(q.zone)
	minute := local.Hour()*60 + local.Minute()
	if q.from < q.to {
		return q.from <= minute && minute < q.to
	}
	return minute >= q.from || minute < q.to
}

// ParseQuietHours reads "22:00-06:00 Europe/Paris"; without a zone the hours are UTC. nil for "".
func ParseQuietHours(text string) (*QuietHours, error) {
	if text == "" {
		return nil, nil
	}
	hours, zone, zoned := strings.Cut(strings.TrimSpace(text), " ")
	from, to, ranged := strings.Cut(hours, "-")
	start, startErr := time.Parse("15:04", from)
	end, endErr := time.Parse("15:04", to)
	if !ranged || startErr != nil || endErr != nil {
		return nil, fmt.Errorf("%q are no hours; write them like 22:00-06:00 Europe/Paris", text)
	}
	if start.Equal(end) {
		return nil, errors.New("the hours end when they begin")
	}
	q := &QuietHours{from: start.Hour()*60 + start.Minute(), to: end.Hour()*60 + end.Minute(), zone: time.UTC, text: hours + " UTC"}
	if zone = strings.TrimSpace(zone); !zoned || zone == "" {
		return q, nil
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("%q is not a time zone; try one like Europe/Paris", zone)
	}
	q.zone, q.text = location, hours+" "+zone
	return q, nil
}
