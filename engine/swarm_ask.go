package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
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
	body, err := m.get(ctx, m.lists, path, url.Values{"filters": {encoded}})
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
func (m *manager) get(ctx context.Context, by *http.Client, path string, query url.Values) (io.ReadCloser, error) {
	where := url.URL{Scheme: "http", Host: "engine", Path: "/v" + m.cli.ClientVersion() + path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := by.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		err := fmt.Errorf("the engine answered %s to %s: %s", response.Status, path, said)
		switch response.StatusCode {
		case http.StatusNotFound:
			err = fmt.Errorf("%w: %w", errdefs.ErrNotFound, err)
		case http.StatusInternalServerError, http.StatusServiceUnavailable: // its managers have no leader, say
			err = fmt.Errorf("%w: %w", errdefs.ErrUnavailable, err)
		}
		return nil, err
	}
	return response.Body, nil
}

// followService asks for the log of a service as it is written. There are as many
// such answers as services, so that each has small buffers.
func (m *manager) followService(ctx context.Context, id string, since int64) (io.ReadCloser, error) {
	query := url.Values{"stdout": {"1"}, "stderr": {"1"}, "timestamps": {"1"}, "details": {"1"}, "follow": {"1"}}
	if since != 0 {
		query.Set("since", engineTime(since))
	}
	return m.get(ctx, m.logs, "/services/"+id+"/logs", query)
}

// plainHTTP gives a client for requests that the library has no way for; the
// library makes its connections. It reads and writes so many bytes at once.
func plainHTTP(e *Engine, buffer int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return e.cli.Dialer()(ctx) },
		ReadBufferSize:  buffer,
		WriteBufferSize: buffer,
		MaxIdleConns:    2,
		IdleConnTimeout: time.Minute,
	}}
}
