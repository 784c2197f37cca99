package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/rpc"
)

func newLog(cfg Config) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.LogLevel)
	if err != nil {
		return nil, fmt.Errorf("--log-level %s is none of debug, info, warn and error", cfg.LogLevel)
	}
	var encoder zapcore.Encoder
	switch {
	case cfg.LogFormat == "json", cfg.LogFormat == "auto" && !isTerminal(cfg):
		config := zap.NewProductionEncoderConfig()
		config.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		encoder = zapcore.NewJSONEncoder(config)
	case cfg.LogFormat == "console", cfg.LogFormat == "auto":
		config := zap.NewDevelopmentEncoderConfig()
		config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		config.EncodeLevel = zapcore.CapitalColorLevelEncoder
		encoder = zapcore.NewConsoleEncoder(config)
	default:
		return nil, fmt.Errorf("--log-format %s is none of console, json and auto", cfg.LogFormat)
	}
	sink := zapcore.Lock(zapcore.AddSync(cfg.Stderr))
	return zap.New(zapcore.NewCore(encoder, sink, level)), nil
}

func isTerminal(cfg Config) bool {
	file, ok := cfg.Stderr.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// newRef makes an id that ties an answer to a line of the log.
func newRef() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// logInternal logs what callers must not see, and gives the id that they are
// told instead.
func (d *Daemon) logInternal(c *rpc.Call, err error, stack []byte) string {
	ref := newRef()
	fields := []zap.Field{zap.String("ref", ref), zap.Error(err)}
	if c != nil {
		fields = append(fields, zap.String("method", clip(c.Method())))
	}
	if stack != nil {
		fields = append(fields, zap.ByteString("stack", stack))
	}
	d.log.Error("a call failed for a reason that callers are not told", fields...)
	return ref
}

// auditCall writes one line for each call, a stream's at its end: who did what
// to what, and how it ended. No parameters but the name, since there may be
// secrets among them.
func (d *Daemon) auditCall(c *rpc.Call, err *rpc.Error, took time.Duration) {
	s := c.Handler().(*session)
	method, name := d.methods.subject(c)
	code := 0
	if err != nil {
		code = err.Code
	}
	d.audit.Info("call", zap.String("peer", s.peer), zap.String("token", s.grant.ID), zap.String("method", method),
		zap.String("name", name), zap.Int("code", code), zap.Duration("took", took))
}

// auditRefusal writes a line for a request that was not let in, with what would
// let it in.
func (d *Daemon) auditRefusal(r *http.Request, refusal *access.Refusal) {
	d.audit.Warn("refused", zap.String("peer", peerOf(r)), zap.Int("status", refusal.Status),
		zap.String("reason", refusal.Reason), zap.String("allow", clip(refusal.Allow)))
}

// clip shortens what a caller may have made as long as it liked.
func clip(text string) string {
	const most = 128
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
