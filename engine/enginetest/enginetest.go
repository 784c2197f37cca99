// Package enginetest gives tests a real engine and an image to run on it.
//
// Probe makes the image: one static program without a base image, so that it
// needs no registry. Its ENTRYPOINT is /probe and its CMD is wait. Every command
// ends at SIGTERM with exit code 0, also as process 1. The commands:
//
//	lines [-n N] [-every DURATION] [-rate N] [-size BYTES] [-clock] [-stream stdout|stderr|both] [-then exit|wait]
//	      writes "line 000001", "line 000002" and so on, padded to BYTES, newline
//	      included; without -n there is no end, without -every it is as fast as it
//	      is read; of both streams stdout gets the odd lines, stderr the even ones;
//	      with -clock a line is the time at which it was written, in Unix nanoseconds
//	bytes STREAM HEX [STREAM HEX ...] [wait]
//	      writes raw bytes; in HEX, 61*20000,0a is 20000 times the byte 61, then 0a
//	serve [-port P] [-delay DURATION] [-lines DURATION [-size BYTES]]
//	      answers HTTP with the request and the environment as JSON: method, host,
//	      path, remote, headers, environment, and how many bytes it received;
//	      /status/404 answers with that code, /id and /slow/DURATION with the host
//	      name, /stream/N with N events, one each 100 ms, /size/N with N bytes, and
//	      /ws echoes the messages of a WebSocket; without -port on $PORT, else 8080;
//	      prints "serving on P" first; with -lines it writes lines beside, as lines
//	      does with -every and -size
//	burn -percent P
//	      uses P percent of one core; prints "burning" first
//	alloc BYTES [DURATION]
//	      holds that much memory, after a while; prints "allocated BYTES" once it does
//	write PATH TEXT
//	      writes a file, prints "written", waits
//	wait
//	      does nothing until SIGTERM
//	exit CODE|PATH
//	      ends at once with that code, or the one that the file says, for a
//	      HEALTHCHECK that a test decides on
//
// Those that try what a container must not do print one line, "WHAT: allowed" or
// "WHAT: refused: REASON", and end with 0:
//
//	mount, mknod, rawsock, fork N, unshare, runcopy PATH
//	dial [udp:|unix:]ADDRESS ...
//	      dials each and sends a few bytes, one line each
//	ptrace [PID]
//	      attaches to that process, else to a child of another user
//	setuid
//	      runs a set-user-id copy of itself as another user, which does caps
//
// And those that show how a container is:
//
//	show PATH ...
//	      prints files, and where symbolic links lead
//	caps  prints the Cap*, NoNewPrivs, Seccomp*, Uid and Gid lines of /proc/self/status
package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// cleanup bounds how long it may take to remove what a test made.
const cleanup = 30 * time.Second

// Client gives a client of the engine at DOCKER_HOST or the default socket,
// closed when the test ends. An engine that does not answer fails the test.
func Client(t testing.TB) *client.Client {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	if _, err := cli.Ping(t.Context()); err != nil {
		t.Fatalf("the tests need a Docker Engine: %v", err)
	}
	return cli
}

// Probe makes an image of the probe program with the given labels and the
// further Dockerfile instructions, such as "EXPOSE 8080", and gives its id. The
// program is compiled once per process; each call makes an image of its own,
// which is removed when the test ends, so containers of it must be gone by then.
func Probe(t testing.TB, labels map[string]string, instructions ...string) string {
	t.Helper()
	cli := Client(t)
	layer, err := layer(Program(t))
	if err != nil {
		t.Fatal(err)
	}
	id, err := importImage(t.Context(), cli, bytes.NewReader(layer), changes(labels, instructions))
	if err != nil {
		t.Fatalf("the probe image could not be made: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanup)
		defer cancel()
		if _, err := cli.ImageRemove(ctx, id, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil && !errdefs.IsNotFound(err) {
			t.Errorf("the probe image could not be removed: %v", err)
		}
	})
	return id
}

// literal keeps a value in an instruction from being taken for a variable.
var literal = strings.NewReplacer("$", `\$`)

func changes(labels map[string]string, instructions []string) []string {
	all := []string{`ENTRYPOINT ["/probe"]`, `CMD ["wait"]`}
	for key, value := range labels {
		all = append(all, fmt.Sprintf("LABEL %q=%s", key, literal.Replace(strconv.Quote(value))))
	}
	return append(all, instructions...)
}

func importImage(ctx context.Context, cli *client.Client, layer io.Reader, changes []string) (string, error) {
	source := image.ImportSource{Source: layer, SourceName: "-"}
	body, err := cli.ImageImport(ctx, source, "", image.ImportOptions{Changes: changes})
	if err != nil {
		return "", err
	}
	defer body.Close()
	var message struct{ Status, Error string }
	for decoder := json.NewDecoder(body); ; {
		switch err := decoder.Decode(&message); {
		case errors.Is(err, io.EOF):
			return message.Status, nil
		case err != nil:
			return "", err
		case message.Error != "":
			return "", errors.New(message.Error)
		}
	}
}

var programs sync.Map // architecture → func() ([]byte, error)

// Program gives the probe program for the engine's architecture, for an image
// that a test builds itself.
func Program(t testing.TB) []byte {
	t.Helper()
	return ProgramFor(t, Client(t))
}

// ProgramFor gives it for the engine of a client.
func ProgramFor(t testing.TB, cli *client.Client) []byte {
	t.Helper()
	info, err := cli.ServerVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	binary, err := program(info.Arch)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

func program(arch string) ([]byte, error) {
	build, _ := programs.LoadOrStore(arch, sync.OnceValues(func() ([]byte, error) { return compile(arch) }))
	return build.(func() ([]byte, error))()
}

func compile(arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/dockwire/dockwire/engine/enginetest/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the probe does not compile: %w\n%s", err, out)
	}
	return os.ReadFile(binary)
}

// layer gives the image's only layer, as a tar.
func layer(binary []byte) ([]byte, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	err := errors.Join(
		w.WriteHeader(&tar.Header{Name: "proc/", Typeflag: tar.TypeDir, Mode: 0o755}),
		w.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(binary))}),
	)
	if _, werr := w.Write(binary); werr != nil {
		err = errors.Join(err, werr)
	}
	return layer.Bytes(), errors.Join(err, w.Close())
}
