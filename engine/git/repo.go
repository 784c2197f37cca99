package git

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/dockwire/dockwire/engine/lines"
)

// repo is a bare repository in a directory of its own.
type repo struct {
	dir   string
	proxy string // the URL of the proxy to fetch through
	name  string // in the cache

	doubtful bool // git found fault with something, and it may have been the repository
}

// attributes keeps a repository from changing its own files on their way out.
const attributes = "* -export-ignore -export-subst -filter -text -ident -working-tree-encoding\n"

// init makes the repository.
func (r *repo) init(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(r.dir, "info"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.dir, "info", "attributes"), []byte(attributes), 0o600); err != nil {
		return err
	}
	return r.run(ctx, nil, "init", "--bare", "--quiet", "--template=", "--initial-branch=main")
}

// remember gives the commit a name in the repository. Of what has a name git
// tells the server that it is here, and the server sends only the differences;
// without one it would send everything again.
func (r *repo) remember(commit string) error {
	return os.WriteFile(filepath.Join(r.dir, "refs", "heads", "last"), []byte(commit+"\n"), 0o600)
}

// configuration is all that git knows: the machine's and the user's are not
// read.
var configuration = []string{
	"protocol.allow=never",
	"protocol.http.allow=always",
	"protocol.https.allow=always",
	"core.hooksPath=/dev/null",
	"core.bigFileThreshold=32m",
	"core.fsmonitor=false",
	"credential.helper=",
	"fetch.unpackLimit=1",
	"gc.auto=0",
	"maintenance.auto=false",
	"pack.threads=1",
	"submodule.recurse=false",
	"tar.umask=0022",
	"transfer.fsckObjects=true",
	"transfer.credentialsInUrl=die",
	"http.lowSpeedLimit=1000",
	"http.lowSpeedTime=30",
	"http.proxyAuthMethod=basic",
}

// environment has the proxy, whose URL holds a secret, where other users of the
// machine cannot see it.
func (r *repo) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + r.dir,
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=/bin/false",
		"GIT_PROTOCOL_FROM_USER=0",
		"GIT_LFS_SKIP_SMUDGE=1",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=http.proxy",
		"GIT_CONFIG_VALUE_0=" + r.proxy,
	}
}

// command is git with its arguments.
type command struct {
	args     []string
	access   *access   // what the server is shown, if it asks
	stdout   io.Writer // what git gives
	progress io.Writer // what it says meanwhile
}

// fetch fetches one commit of a ref.
func (r *repo) fetch(ctx context.Context, progress io.Writer, access *access, location, ref string) error {
	return r.do(ctx, command{access: access, progress: progress, args: []string{"fetch", "--progress", "--depth", "1",
		"--no-tags", "--no-recurse-submodules", "--", location, ref}})
}

// run runs git in the repository, for what it writes to stdout.
func (r *repo) run(ctx context.Context, stdout io.Writer, args ...string) error {
	return r.do(ctx, command{args: args, stdout: stdout})
}

// do runs git in the repository. When ctx ends, git and all that it started are
// killed, and the error is the cause.
func (r *repo) do(ctx context.Context, c command) error {
	said := &tail{}
	hide := func(text string) string { return strings.ReplaceAll(c.hide(text), r.dir+"/", "") }
	cmd := exec.CommandContext(ctx, "git", c.arguments(r.dir)...)
	cmd.Dir, cmd.Env = r.dir, r.environment()
	cmd.Stdout, cmd.Stderr = c.stdout, said
	if c.progress != nil {
		shown := lines.NewWriter(func(text string) { _, _ = io.WriteString(c.progress, hide(text)+"\n") })
		defer shown.Flush()
		cmd.Stderr = io.MultiWriter(said, shown)
	}
	if c.access != nil {
		login, err := c.access.pipe()
		if err != nil {
			return err
		}
		defer login.Close()
		cmd.ExtraFiles = []*os.File{login}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return err
	}
	var exit *exec.ExitError
	r.doubtful = r.doubtful || errors.As(err, &exit) && exit.Exited()
	return &gitError{command: c.args[0], words: hide(said.words()), err: err}
}

func (c command) arguments(dir string) []string {
	all := []string{"--git-dir=" + dir}
	for _, setting := range configuration {
		all = append(all, "-c", setting)
	}
	if c.access != nil {
		all = append(all, "-c", c.access.setting())
	}
	return append(all, c.args...)
}

func (c command) hide(text string) string {
	if c.access == nil {
		return text
	}
	return c.access.hide(text)
}

// output runs git and gives what it wrote, without the last newline.
func (r *repo) output(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := r.run(ctx, &out, args...)
	return strings.TrimSuffix(out.String(), "\n"), err
}

// gitError is a git that ended with an error.
type gitError struct {
	command string
	words   string // its own, in a line
	err     error
}

func (e *gitError) Error() string { return "git " + e.command + ": " + e.words }
func (e *gitError) Unwrap() error { return e.err }

// tail keeps the last of what is written to it.
type tail struct{ data []byte }

const maxTail = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.data = append(t.data, b...)
	if over := len(t.data) - maxTail; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(b), nil
}

// words gives what git said last that tells what is wrong.
func (t *tail) words() string {
	lines := strings.FieldsFunc(strings.ToValidUTF8(string(t.data), "\ufffd"), func(r rune) bool { return r == '\n' || r == '\r' })
	words := ""
	for _, line := range lines {
		if _, fatal, ok := strings.Cut(line, "fatal: "); ok {
			return clip(fatal)
		}
		if strings.TrimSpace(line) != "" {
			words = line
		}
	}
	return clip(strings.TrimPrefix(words, "error: "))
}

// clip shortens the words of a stranger.
func clip(s string) string {
	const longest = 300
	if len(s) <= longest {
		return s
	}
	s = s[:longest]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
