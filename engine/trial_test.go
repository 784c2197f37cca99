package engine

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// An image may ask to be checked every second. Its container is not, and takes
// longer until it has failed.
func TestATrialLastsAsLongAsTheContainersOwnHealthcheck(t *testing.T) {
	e := newEngine(Config{UpdateTime: time.Second}, nil)
	image := &container.HealthConfig{Interval: time.Second, Timeout: 2 * time.Second, StartPeriod: 5 * time.Second, Retries: 30}
	want := time.Second + 5*time.Second + 30*(shortestHealth+2*time.Second)
	if got := e.trialTime(image); got != want {
		t.Errorf("by the image's it lasts %v, want %v", got, want)
	}
	if got := e.trialTime(slowHealthcheck(image)); got != want {
		t.Errorf("by the container's it lasts %v, want %v", got, want)
	}
	if got := e.trialTime(nil); got != time.Second {
		t.Errorf("without one it lasts %v", got)
	}
}
