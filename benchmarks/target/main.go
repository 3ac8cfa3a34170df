// The counting target: takes titles by POST, answers as it is told to, and counts what it sees.
//
//	POST /titles      one title: headers X-Key and X-Sequence, or a JSON object {"key", "sequence"}; or an array of these
//	PUT  /behaviour   {"delay_ms", "fail_keys", "slow_percent", "slow_ms", "measure"}
//	POST /limit       {"seconds", "retry_after"}: 429 to everything from now on, for so long
//	PUT  /expect      {"<key>": sequence}: what shall be held in the end
//	POST /reset       forget everything but the behaviour
//	GET  /figures     what was counted
//
// A write is stale if its sequence is lower than one that was already accepted for the key. What is held is what the
// write that ended last said, as in a system without conditional writes.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type title struct {
	Key      string `json:"key"`
	Sequence int64  `json:"sequence"`
}

type behaviour struct {
	DelayMS     int      `json:"delay_ms"`
	FailKeys    []string `json:"fail_keys"`
	SlowPercent int      `json:"slow_percent"`
	SlowMS      int      `json:"slow_ms"`
	Measure     string   `json:"measure"` // keys with this prefix: how old their sequence (microseconds since 1970) is
}

type figures struct {
	Requests      int     `json:"requests"`
	Titles        int     `json:"titles"`
	Keys          int     `json:"keys"`
	Right         int     `json:"right"`
	Repeated      int     `json:"repeated"`
	Stale         int     `json:"stale"`
	StaleHeld     int     `json:"stale_held"`
	HealedMaxMS   float64 `json:"healed_max_ms"`
	Failed        int     `json:"failed"`
	Limited       int     `json:"limited"`
	InFlight      int     `json:"in_flight"`
	InFlightMax   int     `json:"in_flight_max"`
	InFlightLimit int     `json:"in_flight_at_limit"`
	First         float64 `json:"first"`
	Last          float64 `json:"last"`
	RightAt       float64 `json:"right_at"`
	Measured      int     `json:"measured"`
	P50MS         float64 `json:"p50_ms"`
	P99MS         float64 `json:"p99_ms"`
	WorstMS       float64 `json:"worst_ms"`
}

type target struct {
	sync.Mutex
	behaviour
	figures
	fails        map[string]bool
	limitedUntil time.Time
	retryAfter   int
	seen, held   map[string]int64
	expected     map[string]int64
	staleSince   map[string]time.Time
	ages         []float64
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (t *target) reset() {
	flying := t.InFlight
	t.figures = figures{InFlight: flying}
	t.seen, t.held, t.expected = map[string]int64{}, map[string]int64{}, map[string]int64{}
	t.staleSince, t.ages, t.limitedUntil = map[string]time.Time{}, nil, time.Time{}
}

func read(r *http.Request) ([]title, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if key := r.Header.Get("X-Key"); key != "" {
		sequence, err := strconv.ParseInt(r.Header.Get("X-Sequence"), 10, 64)
		return []title{{key, sequence}}, err
	}
	if strings.HasPrefix(string(body[:min(1, len(body))]), "[") {
		var many []title
		return many, json.Unmarshal(body, &many)
	}
	var one title
	err = json.Unmarshal(body, &one)
	return []title{one}, err
}

func (t *target) slow(key string) bool {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32()%100) < t.SlowPercent
}

// What happens as a request arrives: for how long it takes, and the status it will get.
func (t *target) arrive(titles []title) (time.Duration, int) {
	t.Lock()
	defer t.Unlock()
	now := time.Now()
	t.Requests++
	if t.First == 0 {
		t.First = seconds(now)
	}
	t.InFlight++
	t.InFlightMax = max(t.InFlightMax, t.InFlight)
	if now.Before(t.limitedUntil) {
		t.Limited++
		return 0, http.StatusTooManyRequests
	}
	delay := time.Duration(t.DelayMS) * time.Millisecond
	for _, each := range titles {
		if t.fails[each.Key] {
			t.Failed++
			return delay, http.StatusInternalServerError
		}
		if t.SlowPercent > 0 && t.slow(each.Key) {
			delay = time.Duration(t.SlowMS) * time.Millisecond
		}
	}
	for _, each := range titles {
		t.Titles++
		before, known := t.seen[each.Key]
		if known && each.Sequence < before {
			t.Stale++
		} else if known && each.Sequence == before {
			t.Repeated++
		}
		t.seen[each.Key] = max(before, each.Sequence)
	}
	return delay, http.StatusNoContent
}

func (t *target) leave(titles []title, status int) {
	t.Lock()
	defer t.Unlock()
	now := time.Now()
	t.InFlight--
	if status != http.StatusNoContent {
		return
	}
	t.Last = seconds(now)
	for _, each := range titles {
		t.hold(each, now)
	}
}

func (t *target) hold(each title, now time.Time) {
	before, known := t.held[each.Key]
	if !known {
		t.Keys++
	}
	wanted, expected := t.expected[each.Key]
	if expected && known && before == wanted && each.Sequence != wanted {
		t.Right--
	}
	if expected && (!known || before != wanted) && each.Sequence == wanted {
		t.Right++
		t.RightAt = seconds(now)
	}
	t.held[each.Key] = each.Sequence
	if each.Sequence < t.seen[each.Key] {
		if _, open := t.staleSince[each.Key]; !open {
			t.staleSince[each.Key] = now
		}
	} else if since, open := t.staleSince[each.Key]; open {
		t.HealedMaxMS = max(t.HealedMaxMS, float64(now.Sub(since).Microseconds())/1000)
		delete(t.staleSince, each.Key)
	}
	if t.Measure != "" && strings.HasPrefix(each.Key, t.Measure) {
		t.ages = append(t.ages, float64(now.UnixMicro()-each.Sequence)/1000)
	}
}

func (t *target) titles(w http.ResponseWriter, r *http.Request) {
	titles, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	delay, status := t.arrive(titles)
	if delay > 0 {
		time.Sleep(delay)
	}
	t.leave(titles, status)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(t.retryAfter))
	}
	w.WriteHeader(status)
}

func (t *target) told(into any, act func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t.Lock()
		defer t.Unlock()
		if into != nil {
			if err := json.NewDecoder(r.Body).Decode(into); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		act()
		w.WriteHeader(http.StatusNoContent)
	}
}

func (t *target) count(w http.ResponseWriter, _ *http.Request) {
	t.Lock()
	defer t.Unlock()
	out := t.figures
	out.StaleHeld = len(t.staleSince)
	ages := append([]float64(nil), t.ages...)
	sort.Float64s(ages)
	if n := len(ages); n > 0 {
		out.Measured, out.P50MS, out.P99MS, out.WorstMS = n, ages[n/2], ages[n*99/100], ages[n-1]
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

func main() {
	port := flag.Int("port", 0, "0 takes a free one; the address is printed")
	flag.Parse()
	t := &target{fails: map[string]bool{}}
	t.reset()
	var next behaviour
	var limit struct {
		Seconds    float64 `json:"seconds"`
		RetryAfter int     `json:"retry_after"`
	}
	var expected map[string]int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /titles", t.titles)
	mux.HandleFunc("GET /figures", t.count)
	mux.HandleFunc("POST /reset", t.told(nil, t.reset))
	mux.HandleFunc("PUT /behaviour", func(w http.ResponseWriter, r *http.Request) {
		next = behaviour{}
		t.told(&next, func() {
			t.behaviour, t.fails = next, map[string]bool{}
			for _, key := range next.FailKeys {
				t.fails[key] = true
			}
		})(w, r)
	})
	mux.HandleFunc("POST /limit", t.told(&limit, func() {
		t.limitedUntil = time.Now().Add(time.Duration(limit.Seconds * float64(time.Second)))
		t.retryAfter, t.InFlightLimit = limit.RetryAfter, t.InFlight
	}))
	mux.HandleFunc("PUT /expect", func(w http.ResponseWriter, r *http.Request) {
		expected = map[string]int64{}
		t.told(&expected, func() {
			t.expected, t.Right = expected, 0
			for key, wanted := range expected {
				if held, known := t.held[key]; known && held == wanted {
					t.Right++
				}
			}
		})(w, r)
	})
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	if err := http.Serve(listener, mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
