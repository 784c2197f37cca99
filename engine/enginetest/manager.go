package enginetest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/system"
)

// Manager is the API of a manager, made up, whose swarm is as large or as old as
// a test wants, and in which nothing happens but what Write makes, and that services
// are removed.
type Manager struct {
	Socket string // unix:///PATH
	API    string // the newest version that it speaks

	Looks  atomic.Int64 // how often it was asked for all tasks
	Worker atomic.Bool  // it is a worker, until this is false again

	nodes   []swarm.Node
	logs    managerLogs
	touched chan struct{}

	mu       sync.RWMutex // guards what follows, whose elements never change
	services []swarm.Service
	tasks    []swarm.Task
}

// managerNodes is how many nodes a made-up swarm has.
const managerNodes = 300

// NewManager gives a manager with so many services of the instance, each with
// so many replicas, which run and are all served at the address. It is gone when
// the test ends.
func NewManager(t testing.TB, instance, api string, services, replicas int, address string) *Manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "dw")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "manager.sock")
	m := &Manager{touched: make(chan struct{}, 1), Socket: "unix://" + socket, API: api, logs: managerLogs{frames: map[string][]managerFrame{}, written: make(chan struct{})}}
	m.fill(instance, services, replicas, address)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: m.handler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-served
		os.RemoveAll(dir)
	})
	return m
}

func (m *Manager) fill(instance string, services, replicas int, address string) {
	host, portText, _ := net.SplitHostPort(address)
	port := uint32(0)
	fmt.Sscan(portText, &port)
	for i := range managerNodes {
		m.nodes = append(m.nodes, swarm.Node{ID: fmt.Sprintf("node%021d", i), Description: swarm.NodeDescription{Hostname: fmt.Sprintf("node%d", i)},
			Status: swarm.NodeStatus{State: swarm.NodeStateReady, Addr: host}})
	}
	wanted := uint64(replicas)
	for i := range services {
		name := fmt.Sprintf("app%d", i)
		labels := map[string]string{"io.dockwire.instance": instance, "io.dockwire.kind": "container", "io.dockwire.name": name, "io.dockwire.port": "8080",
			"io.dockwire.image": "app", "io.dockwire.commit": strings.Repeat("0123456789", 4), "io.dockwire.replicas": fmt.Sprint(replicas)}
		service := swarm.Service{ID: fmt.Sprintf("service%018d", i), Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name, Labels: labels},
			Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &wanted}}, TaskTemplate: taskTemplate(labels)}}
		service.CreatedAt = time.Now()
		m.services = append(m.services, service)
		for slot := range replicas {
			m.tasks = append(m.tasks, swarm.Task{
				ID: fmt.Sprintf("task%021d", len(m.tasks)), ServiceID: service.ID, Slot: slot + 1, NodeID: m.nodes[len(m.tasks)%managerNodes].ID,
				Spec: service.Spec.TaskTemplate, DesiredState: swarm.TaskStateRunning, Meta: service.Meta,
				Status: swarm.TaskStatus{State: swarm.TaskStateRunning, Timestamp: time.Now(), ContainerStatus: &swarm.ContainerStatus{ContainerID: strings.Repeat("f", 64)},
					PortStatus: swarm.PortStatus{Ports: []swarm.PortConfig{{PublishedPort: port, TargetPort: 8080}}}},
			})
		}
	}
}

// taskTemplate has about what a real one has: what is not looked at has to be
// read all the same.
func taskTemplate(labels map[string]string) swarm.TaskSpec {
	return swarm.TaskSpec{
		ContainerSpec: &swarm.ContainerSpec{Image: "registry.example.com:5000/dockwire/app@sha256:" + strings.Repeat("0123456789abcdef", 4), Labels: labels,
			Env: []string{"DOMAIN=app.example.com", "PORT=8080", "URL=http://app.example.com/", "SETTINGS=" + strings.Repeat("x", 500)}},
		Networks: []swarm.NetworkAttachmentConfig{{Target: strings.Repeat("n", 25), Aliases: []string{"app"}}},
	}
}

func (m *Manager) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", m.API)
		w.Header().Set("Swarm", "active/manager")
		if m.Worker.Load() {
			w.Header().Set("Swarm", "active/worker")
		}
		fmt.Fprint(w, "OK")
	})
	info := func() system.Info {
		return system.Info{Name: "manager", Swarm: swarm.Info{NodeID: m.nodes[0].ID, LocalNodeState: swarm.LocalNodeStateActive, ControlAvailable: !m.Worker.Load()}}
	}
	for path, answer := range map[string]func(filters.Args) any{
		"info":            func(filters.Args) any { return info() },
		"containers/json": func(filters.Args) any { return []any{} },
		"networks":        func(filters.Args) any { return []any{} },
		"nodes":           func(filters.Args) any { return m.nodes },
		"services": func(f filters.Args) any {
			return only(m.services, f, "id", func(s swarm.Service) string { return s.ID })
		},
		"tasks": func(f filters.Args) any {
			if !f.Contains("service") {
				m.Looks.Add(1)
			}
			return only(m.tasks, f, "service", func(t swarm.Task) string { return t.ServiceID })
		},
	} {
		mux.HandleFunc("/{version}/"+path, func(w http.ResponseWriter, r *http.Request) {
			if m.Worker.Load() && path != "info" {
				http.Error(w, `{"message":"This node is not a swarm manager."}`, http.StatusServiceUnavailable)
				return
			}
			wanted, err := filters.FromJSON(r.FormValue("filters"))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			m.mu.RLock()
			found := answer(wanted)
			m.mu.RUnlock()
			json.NewEncoder(w).Encode(found)
		})
	}
	mux.HandleFunc("DELETE /{version}/services/{id}", func(_ http.ResponseWriter, r *http.Request) { m.remove(r.PathValue("id")) })
	mux.HandleFunc("/{version}/events", m.tellEvents)
	mux.HandleFunc("/{version}/services/{id}/logs", m.logs.serve)
	return mux
}

func (m *Manager) remove(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.services = slices.DeleteFunc(slices.Clone(m.services), func(s swarm.Service) bool { return s.ID == id })
	m.tasks = slices.DeleteFunc(slices.Clone(m.tasks), func(t swarm.Task) bool { return t.ServiceID == id })
}

// only gives the elements whose key the filter names; without such a filter all.
func only[T any](all []T, wanted filters.Args, filter string, key func(T) string) []T {
	keys := wanted.Get(filter)
	if len(keys) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !slices.Contains(keys, key(one)) })
}

// TouchNode has an event of a node sent to whoever asked for those: all tasks may
// have moved then.
func (m *Manager) TouchNode() {
	select {
	case m.touched <- struct{}{}:
	default: // one is on its way
	}
}

// tellEvents answers until the client has enough.
func (m *Manager) tellEvents(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	var touched <-chan struct{}
	if strings.Contains(r.FormValue("filters"), string(events.NodeEventType)) {
		touched = m.touched
	}
	for {
		http.NewResponseController(w).Flush()
		select {
		case <-touched:
			json.NewEncoder(w).Encode(events.Message{Type: events.NodeEventType, Action: events.ActionUpdate})
		case <-r.Context().Done():
			return
		}
	}
}
