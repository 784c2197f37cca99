package engine

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// How a container is tried that is to replace another.
const (
	updateTime  = time.Minute            // for it to serve, where the configuration does not say
	workerTrial = 10 * time.Second       // that one without a port has to run
	trialPause  = 100 * time.Millisecond // between two looks
	trialDial   = time.Second

	trialLines = 20 // of its log, in the error

	// What the engine takes for a HEALTHCHECK that does not say.
	healthInterval = 30 * time.Second
	healthTimeout  = 30 * time.Second
	healthRetries  = 3
)

// trialTime is how long a container has until it serves, with the HEALTHCHECK, if
// any, of its image or its own, which is slower.
func (e *Engine) trialTime(check *container.HealthConfig) time.Duration {
	limit := cmp.Or(e.cfg.UpdateTime, updateTime)
	check = slowHealthcheck(check)
	if check == nil {
		return limit
	}
	once := cmp.Or(check.Interval, healthInterval) + cmp.Or(check.Timeout, healthTimeout)
	return limit + check.StartPeriod + once*time.Duration(cmp.Or(check.Retries, healthRetries))
}

// try waits until a container that was started serves: until it is healthy, if
// its image has a HEALTHCHECK, else until it accepts a connection on its port, or
// has run for a while if it has none. Its error is StartFailed, with the last
// lines of its log, when it does not; its sentence has the format of failure, about
// the name and what happened.
func (e *Engine) try(ctx context.Context, id, name, failure string, tell func(string)) error {
	began, said := time.Now(), ""
	for {
		c, err := e.cli.ContainerInspect(ctx, id)
		if err != nil {
			return e.wrapMutation(err, kindContainer, name, "it is not known how the new container of %s is", name)
		}
		v := e.judge(ctx, c, time.Since(began))
		switch {
		case v.serves:
			return nil
		case v.failed != "":
			return e.trialError(ctx, c, name, fmt.Sprintf(failure, name, v.failed))
		case time.Since(began) > e.trialTime(c.Config.Healthcheck):
			late := fmt.Sprintf("was still %s after %v", v.waits, time.Since(began).Round(time.Second))
			return e.trialError(ctx, c, name, fmt.Sprintf(failure, name, late))
		case v.waits != said:
			said = v.waits
			tell("The new container is " + said)
		}
		pause(ctx, trialPause)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// awaitServing waits until a container that was started again serves.
func (e *Engine) awaitServing(ctx context.Context, r *record) error {
	return e.try(ctx, r.ID, r.Name, "%s was restarted and %s: see its last lines; the replicas after it were left as they are", func(string) {})
}

// trialTimeOf is trialTime for each of the container called name and its siblings;
// nothing if it has none.
func (e *Engine) trialTimeOf(ctx context.Context, name string) (time.Duration, error) {
	r, err := e.find(ctx, name)
	if err != nil || len(e.state.siblings(name)) == 0 {
		return 0, err
	}
	image, err := e.sourceOf(ctx, r)
	return e.trialTime(image.healthcheck) + workerTrial, err
}

// verdict is what a look at a container says: that it serves, or has failed, or
// what it is doing.
type verdict struct {
	serves        bool
	failed, waits string
}

func (e *Engine) judge(ctx context.Context, c container.InspectResponse, ran time.Duration) verdict {
	r := e.recordOf(c)
	switch {
	case !r.Running():
		return verdict{failed: fmt.Sprintf("ended with exit code %d", r.ExitCode)}
	case r.Health == api.HealthUnhealthy:
		return verdict{failed: "failed its HEALTHCHECK"}
	case r.Health != api.HealthNone:
		return verdict{serves: r.Health == api.HealthHealthy, waits: "waiting for its HEALTHCHECK to pass"}
	case r.Port == 0:
		return verdict{serves: ran >= workerTrial, waits: fmt.Sprintf("to run for %v, as it serves no port", workerTrial)}
	}
	return verdict{serves: accepts(ctx, e.routeOf(r)), waits: fmt.Sprintf("not accepting connections on port %d yet", r.Port)}
}

func accepts(ctx context.Context, r Route) bool {
	dialer := net.Dialer{Timeout: trialDial}
	conn, err := dialer.DialContext(ctx, "tcp", r.Address.String())
	if err != nil {
		return false
	}
	defer conn.Close()
	return !r.Published || StaysOpen(conn)
}

func (e *Engine) trialError(ctx context.Context, c container.InspectResponse, name, reason string) error {
	failed := &Error{
		Class:  StartFailed,
		Reason: reason,
		Data:   api.ErrorData{Kind: kindContainer, Name: name},
	}
	if !c.State.Running {
		failed.Data.ExitCode = &c.State.ExitCode
	}
	w, _, err := e.tailOf(ctx, &logQuery{id: c.ID}, trialLines, MaxChunk)
	if err != nil {
		failed.Err = err
		return failed
	}
	for _, line := range w.lines {
		failed.Data.Lines = append(failed.Data.Lines, line.line())
	}
	return failed
}
