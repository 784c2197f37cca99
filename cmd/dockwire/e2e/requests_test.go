//go:build swarm

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// requestLoad is requests to a domain, one after the other at a fixed pace,
// whether or not those before are answered, until it is ended.
type requestLoad struct {
	stop     chan struct{}
	requests sync.WaitGroup
	sent     atomic.Int64

	mu     sync.Mutex
	failed []failedRequest
}

type failedRequest struct {
	at  time.Time // when it was sent
	why string
}

// requestEvery is the pace: two cores have other things to do.
const requestEvery = 5 * time.Millisecond

// request begins to send requests to a domain. Each that is not answered with 200
// within ten seconds has failed.
func (d *daemon) request(domain string) *requestLoad {
	l := &requestLoad{stop: make(chan struct{})}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	l.requests.Go(func() {
		tick := time.NewTicker(requestEvery)
		defer tick.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
				l.requests.Go(func() { l.send(client, "http://"+d.ingress+"/", domain) })
			}
		}
	})
	return l
}

func (l *requestLoad) send(client *http.Client, url, domain string) {
	at := time.Now()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err) // the URL is our own
	}
	req.Host = domain
	l.sent.Add(1)
	resp, err := client.Do(req)
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			why = fmt.Sprintf("%s, %v: %.200s", resp.Status, err, body)
		}
	}
	if why != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = append(l.failed, failedRequest{at, why})
	}
}

// end stops sending, and gives how many requests there were, and those that
// failed.
func (l *requestLoad) end() (sent int, failed []failedRequest) {
	close(l.stop)
	l.requests.Wait()
	return int(l.sent.Load()), l.failed
}
