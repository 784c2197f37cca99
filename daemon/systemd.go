package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// inherit takes over the sockets that whoever started us has opened for us: by
// socket activation, as systemd does it. Their names say what they are for. It
// works once.
func inherit() (*listeners, error) {
	l := &listeners{}
	var errs []error
	for _, file := range activation.Files(true) {
		ln, err := net.FileListener(file)
		errs = append(errs, err, file.Close())
		if err != nil {
			continue
		}
		switch file.Name() {
		case "control":
			l.control = append(l.control, ln)
		case "ingress":
			l.ingress = append(l.ingress, ln)
		case "ingress-tls":
			l.secure = append(l.secure, ln)
		default:
			errs = append(errs, ln.Close(), fmt.Errorf("a socket called %q was passed to us: its FileDescriptorName= has to be control, ingress or ingress-tls", file.Name()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// tell says to systemd, if it is what runs us, how we are.
func (d *Daemon) tell(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		d.log.Warn("systemd cannot be told", zap.String("state", state), zap.Error(err))
	}
}

// watchdog tells systemd at times that we are alive, until ctx ends, if it
// wants to know.
func (d *Daemon) watchdog(ctx context.Context) error {
	within, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("the time of the watchdog cannot be read: %w", err)
	}
	if within > 0 {
		beat(ctx, within/2, d.passLocks, func() { d.tell(systemd.SdNotifyWatchdog) })
	}
	return nil
}

// beat calls tell at every interval, after alive has returned. While alive
// hangs, nothing is told.
func beat(ctx context.Context, every time.Duration, alive, tell func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		alive()
		tell()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// passLocks goes where all calls go, and returns unless one of them holds the
// others up for good. It asks nothing of the engine, and costs the same however
// many callers there are, so that neither a slow engine nor a crowd looks like
// a daemon that hangs.
func (d *Daemon) passLocks() {
	d.order.enter().leave()
	d.engine.Up()
	d.rpc.Stats()
	d.builds.Get("")
}
