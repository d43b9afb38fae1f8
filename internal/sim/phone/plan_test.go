package phone

import (
	"fmt"
	"slices"
	"testing"
)

func strangers(n int) []*Phone {
	phones := make([]*Phone, n)
	for i := range phones {
		phones[i] = New(Account{Serial: fmt.Sprint("SER-", i)}, Options{})
	}
	return phones
}

// planned are the first deeds of a crowd, in words.
func planned(phones int, seed int64) []string {
	c := NewCrowd(strangers(phones), CrowdOptions{Seed: seed})
	var deeds []string
	for range 2000 {
		p, d, north, east := c.plan()
		deeds = append(deeds, fmt.Sprintf("%s %d %.6f %.6f", p.Account().Serial, d, north, east))
	}
	return deeds
}

func TestTheSameSeedGivesTheSameDeeds(t *testing.T) {
	if !slices.Equal(planned(50, 7), planned(50, 7)) {
		t.Error("the same seed gave other deeds")
	}
	if slices.Equal(planned(50, 7), planned(50, 8)) {
		t.Error("another seed gave the same deeds")
	}
}

// Every phone gets its turn, with every kind of deed.
func TestEverybodyDoesSomething(t *testing.T) {
	c := NewCrowd(strangers(20), CrowdOptions{Seed: 1})
	serials, deeds := map[string]int{}, map[deed]int{}
	const many = 10_000
	for range many {
		p, d, north, east := c.plan()
		serials[p.Account().Serial]++
		deeds[d]++
		if max(north, -north, east, -east) > stride {
			t.Fatalf("a leap of %f, %f degrees", north, east)
		}
	}
	if len(serials) != 20 {
		t.Errorf("only %d phones of 20 do anything", len(serials))
	}
	for d, least := range map[deed]int{comeOrGo: many / 5, walk: many / 3, speakUp: many / 10, beAsked: many / 50} {
		if deeds[d] < least {
			t.Errorf("deed %d is done %d times in %d", d, deeds[d], many)
		}
	}
}
