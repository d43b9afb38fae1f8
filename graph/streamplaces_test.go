package graph

import (
	"errors"
	"testing"
)

func TestAPersonsStreamsAreBounded(t *testing.T) {
	var places streamPlaces
	const most = 3
	var leave func()
	for range most {
		var err error
		if leave, err = places.take(7, most); err != nil {
			t.Fatal(err)
		}
	}
	var refused *coded
	if _, err := places.take(7, most); !errors.As(err, &refused) || refused.code != CodeRateLimited {
		t.Errorf("one more: %v", err)
	}
	other, err := places.take(8, most)
	if err != nil {
		t.Errorf("somebody else: %v", err)
	}
	other()
	leave()
	if _, err := places.take(7, most); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	if len(places.taken) != 1 || places.taken[7] != most {
		t.Errorf("left: %v", places.taken)
	}
}
