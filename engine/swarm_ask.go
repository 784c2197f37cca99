package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// serviceData is what we look at of a service. The client library's own types
// hold twenty times as much, which counts where there are thousands.
type serviceData struct {
	ID        string
	Version   struct{ Index uint64 }
	CreatedAt time.Time
	Spec      struct {
		Name         string
		Labels       map[string]string
		TaskTemplate struct {
			ContainerSpec struct {
				Image       string
				Healthcheck *container.HealthConfig
			}
		}
		UpdateConfig struct{ Delay time.Duration }
		Mode         struct {
			Replicated struct{ Replicas *uint64 }
		}
	}
	UpdateStatus struct{ State, Message string }
}

// taskData is what we look at of a task.
type taskData struct {
	ID, ServiceID, NodeID string
	Slot                  int
	CreatedAt             time.Time
	DesiredState          string
	Status                struct {
		Timestamp       time.Time
		State           string
		Err             string
		ContainerStatus struct {
			ContainerID string
			ExitCode    int
		}
		PortStatus struct {
			Ports []struct{ PublishedPort, TargetPort int }
		}
	}
	Spec struct {
		ContainerSpec struct{ Labels map[string]string }
	}
}

// list asks for a list of the API's and hands its elements over one by one, as
// they come.
func list[T any](ctx context.Context, m *manager, path string, wanted filters.Args, each func(T)) error {
	encoded, err := filters.ToJSON(wanted)
	if err != nil {
		return err
	}
	body, err := m.get(ctx, path, url.Values{"filters": {encoded}})
	if err != nil {
		return err
	}
	defer body.Close()
	decoder := json.NewDecoder(body)
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		var one T
		if err := decoder.Decode(&one); err != nil {
			return err
		}
		each(one)
	}
	_, err = decoder.Token()
	return err
}

// get asks for a document of the engine's API as it stands there.
func (m *manager) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	request, err := m.request(ctx, path, query)
	if err != nil {
		return nil, err
	}
	response, err := m.lists.Do(request)
	if err != nil {
		return nil, err
	}
	return response.Body, refusal(response, path)
}

func (m *manager) request(ctx context.Context, path string, query url.Values) (*http.Request, error) {
	where := url.URL{Scheme: "http", Host: "engine", Path: "/v" + m.cli.ClientVersion() + path, RawQuery: query.Encode()}
	return http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
}

// refusal gives the error that an answer is, if it is one, and then closes it.
func refusal(response *http.Response, path string) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	err := fmt.Errorf("the engine answered %s to %s: %s", response.Status, path, said)
	switch response.StatusCode {
	case http.StatusNotFound:
		err = fmt.Errorf("%w: %w", errdefs.ErrNotFound, err)
	case http.StatusInternalServerError, http.StatusServiceUnavailable: // its managers have no leader, say
		err = fmt.Errorf("%w: %w", errdefs.ErrUnavailable, err)
	}
	return err
}

// serviceLog asks for the log of a service, as it is written or as it is. There
// are many such answers open: each is read by nobody but the caller, out of small
// buffers, where the library's client would have two goroutines for each.
func (m *manager) serviceLog(ctx context.Context, id string, since int64, follow bool) (io.ReadCloser, error) {
	path := "/services/" + id + "/logs"
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}, "timestamps": {"1"}, "details": {"1"}, "follow": {strconv.FormatBool(follow)}}
	if since != 0 {
		query.Set("since", engineTime(since))
	}
	request, err := m.request(ctx, path, query)
	if err != nil {
		return nil, err
	}
	conn, err := m.cli.Dialer()(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	body, err := leanAnswer(conn, request)
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	return &leanBody{body, conn, stop}, nil
}

// leanBuffer is small, for there are many, and most say little.
const leanBuffer = 512

// leanAnswer asks over a connection of the question's own.
func leanAnswer(conn net.Conn, request *http.Request) (io.Reader, error) {
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, leanBuffer), nil)
	if err != nil {
		return nil, err
	}
	response.Header = nil // it would be kept with the body
	return response.Body, refusal(response, request.URL.Path)
}

// leanBody is the body of an answer whose connection goes with it.
type leanBody struct {
	io.Reader
	conn net.Conn
	stop func() bool // no longer closes the connection when the context ends
}

func (b *leanBody) Close() error {
	b.stop()
	return b.conn.Close()
}

// plainHTTP gives a client for requests that the library has no way for; the
// library makes its connections.
func plainHTTP(e *Engine) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return e.cli.Dialer()(ctx) },
		ReadBufferSize:  64 << 10,
		MaxIdleConns:    2,
		IdleConnTimeout: time.Minute,
	}}
}
