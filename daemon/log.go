package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

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
		fields = append(fields, zap.String("method", c.Method()))
	}
	if stack != nil {
		fields = append(fields, zap.ByteString("stack", stack))
	}
	d.log.Error("a call failed for a reason that callers are not told", fields...)
	return ref
}

// audit writes one line for each call: who did what, and how it ended. No
// parameters, since there may be secrets among them.
func (d *Daemon) audit(c *rpc.Call, err *rpc.Error, took time.Duration) {
	code := 0
	if err != nil {
		code = err.Code
	}
	d.log.Info("call", zap.String("method", c.Method()), zap.Int("code", code), zap.Duration("took", took))
}
