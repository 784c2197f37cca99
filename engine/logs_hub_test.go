package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A container was started again and has ended, and the events of both were lost:
// until the next list the engine says of it what the state does not.
func TestAHubDoesNotAskWithoutRestAfterAStartThatTheStateDoesNotKnow(t *testing.T) {
	const is = `{"Id":"` + testID + `","State":{"Status":"exited","StartedAt":"2000-01-01T00:00:00Z"}}`
	synctest.Test(t, func(t *testing.T) {
		e := engineAt(t, answersSome(map[string]string{
			"json": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(is), is),
		}))
		h := &hub{e: e, name: "web", id: testID}
		h.init(ringLimit)
		begin := time.Now()
		if err := h.awaitStart(t.Context(), e.hubs.backoff()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited < firstBackoff {
			t.Errorf("it reads the log again after %v", waited)
		}
	})
}
